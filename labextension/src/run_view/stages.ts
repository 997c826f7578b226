import { element } from './dom';
import type { Stage } from './types';

const STATES = { done: 'done', active: 'under way', ahead: 'to come' };

/** Where in a round the run is: the parts of it in their order, several at once where the sites are not all at the same. */
export class StageBar {
  readonly node = element('ol', 'reson-stages', '', { 'aria-label': 'Stages of the round' });
  private shown = '';

  update(stages: Stage[], gone: boolean): void {
    this.node.hidden = !stages.length;
    const wanted = JSON.stringify([stages, gone]);
    if (wanted === this.shown) {
      return;
    }
    this.shown = wanted;
    this.node.replaceChildren(...stages.map(stage => entry(stage, gone)));
  }
}

function entry({ name, state, text }: Stage, gone: boolean): HTMLElement {
  const item = element('li', 'reson-stage');
  item.dataset['state'] = state;
  if (state === 'active' && !gone) {
    item.setAttribute('aria-current', 'step');
  }
  item.append(
    element('span', 'reson-stage-name', name),
    element('span', 'reson-stage-text', text),
    element('span', 'reson-unseen', gone ? `${STATES[state]} when last heard` : STATES[state])
  );
  return item;
}
