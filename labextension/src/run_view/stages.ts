import { element } from './dom';
import type { Stage } from './types';

const STATES = { done: 'done', active: 'under way', ahead: 'to come' };

/** Where in a round the run is: the parts of it in their order, several at once where the sites are not all at the same. */
export class StageBar {
  readonly node = element('ol', 'reson-stages', '', { 'aria-label': 'Stages of the round' });
  private shown = '';

  update(stages: Stage[]): void {
    this.node.hidden = !stages.length;
    const wanted = JSON.stringify(stages);
    if (wanted === this.shown) {
      return;
    }
    this.shown = wanted;
    this.node.replaceChildren(...stages.map(entry));
  }
}

function entry({ name, state, text }: Stage): HTMLElement {
  const item = element('li', 'reson-stage');
  item.dataset['state'] = state;
  if (state === 'active') {
    item.setAttribute('aria-current', 'step');
  }
  item.append(
    element('span', 'reson-stage-name', name),
    element('span', 'reson-stage-text', text),
    element('span', 'reson-unseen', STATES[state])
  );
  return item;
}
