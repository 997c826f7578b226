import { element } from './dom';
import { clockTime } from './format';
import type { RunEvent } from './types';

/** The last things that happened, newest at the bottom. */
export class EventList {
  readonly node = element('section', 'reson-events-section', '', { 'aria-label': 'Last events' });
  private readonly list = element('ol', 'reson-events');
  private shown: RunEvent[] = [];

  constructor() {
    this.node.append(this.list);
  }

  update(events: RunEvent[]): void {
    this.node.hidden = !events.length;
    if (events !== this.shown) {
      this.list.replaceChildren(...events.map(line));
      this.shown = events;
    }
  }
}

function line(event: RunEvent): HTMLElement {
  const item = element('li', '');
  item.dataset['level'] = event.level;
  const parts: HTMLElement[] = [element('time', 'reson-event-time', clockTime(event.time))];
  if (event.level !== 'info') {
    parts.push(element('span', 'reson-event-level', event.level));
  }
  if (event.site) {
    parts.push(element('span', 'reson-event-site', event.site));
  }
  item.append(...parts, element('span', 'reson-event-text', event.text));
  return item;
}
