import type { Choices } from './choices';
import { element, setText } from './dom';

/** What the reader chooses about the charts: which metrics, and which scale. */
export class Controls {
  readonly node = element('div', 'reson-controls', '', { role: 'group', 'aria-label': 'Charts' });
  private readonly log = element('button', 'reson-button', 'Log scale', { type: 'button' });
  private readonly menu = element('details', 'reson-menu');
  private readonly summary = element('summary', 'reson-button');
  private readonly list = element('div', 'reson-menu-list', '', { role: 'group', 'aria-label': 'Metrics that have a chart' });
  private readonly boxes = new Map<string, HTMLInputElement>();
  private listed = '';

  constructor(private readonly choices: Choices) {
    this.log.addEventListener('click', () => choices.useLog(!choices.log));
    this.menu.append(this.summary, this.list);
    this.menu.addEventListener('keydown', event => {
      if (event.key === 'Escape' && this.menu.open) {
        this.menu.open = false;
        this.summary.focus();
      }
    });
    this.menu.addEventListener('focusout', event => {
      if (event.relatedTarget instanceof Node && !this.menu.contains(event.relatedTarget)) {
        this.menu.open = false;
      }
    });
    this.node.append(this.menu, this.log);
  }

  update(metrics: string[]): void {
    const shown = new Set(this.choices.shown(metrics));
    this.node.hidden = !metrics.length;
    this.menu.hidden = metrics.length < 2;
    this.log.setAttribute('aria-pressed', String(this.choices.log));
    setText(this.summary, shown.size === metrics.length ? 'Metrics: all' : `Metrics: ${shown.size} of ${metrics.length}`);
    if (JSON.stringify(metrics) !== this.listed) {
      this.listed = JSON.stringify(metrics);
      this.boxes.clear();
      this.list.replaceChildren(...metrics.map(name => this.option(name)));
    }
    this.boxes.forEach((box, name) => (box.checked = shown.has(name)));
  }

  private option(name: string): HTMLElement {
    const label = element('label', 'reson-menu-entry');
    const box = element('input', '', '', { type: 'checkbox' });
    box.addEventListener('change', () => this.choices.show(name, box.checked));
    this.boxes.set(name, box);
    label.append(box, element('span', '', name));
    return label;
  }
}
