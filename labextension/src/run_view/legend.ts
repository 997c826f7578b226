import { siteColor } from './colors';
import type { Choices } from './choices';
import { element } from './dom';

/** Beyond these, colours come again, and a legend would tell nothing. */
const NAMED = 8;

/** Which line is whose. A line's entry lets it stand out; where there are too many for that, a menu does. */
export class Legend {
  readonly node = element('div', 'reson-legend-row');
  private readonly list = element('ul', 'reson-legend', '', { 'aria-label': 'Lines of the charts' });
  private readonly label = element('label', 'reson-picker');
  private readonly menu = element('select', 'reson-select');
  private readonly buttons = new Map<string, HTMLButtonElement>();
  private shown = '';

  constructor(private readonly choices: Choices) {
    this.menu.addEventListener('change', () => {
      this.choices.pick(this.menu.value === '' ? null : (this.names[Number(this.menu.value)] ?? null));
    });
    this.node.append(this.list, this.label);
  }

  private names: string[] = [];

  update(names: string[], noun: string, mean: boolean): void {
    const wanted = JSON.stringify([names, noun, mean]);
    if (wanted !== this.shown) {
      this.shown = wanted;
      this.names = names;
      this.build(noun, mean);
    }
    const { picked } = this.choices;
    this.buttons.forEach((button, name) => button.setAttribute('aria-pressed', String(name === picked)));
    const at = picked === null ? -1 : names.indexOf(picked);
    this.menu.value = at < 0 ? '' : String(at);
  }

  private build(noun: string, mean: boolean): void {
    const few = this.names.length <= NAMED;
    this.buttons.clear();
    const entries = few ? this.names.map((name, at) => this.entry(name, siteColor(at))) : [];
    this.list.replaceChildren(...(mean ? [meanEntry()] : []), ...entries);
    this.list.hidden = !this.list.children.length;
    const all = element('option', '', `all ${this.names.length} ${noun}s`, { value: '' });
    this.menu.replaceChildren(all, ...this.names.map((name, at) => element('option', '', name, { value: String(at) })));
    this.label.replaceChildren(element('span', '', `Highlight ${noun}`), this.menu);
    this.label.hidden = few;
  }

  private entry(name: string, color: string): HTMLElement {
    const item = element('li');
    const button = element('button', 'reson-legend-entry', '', { type: 'button', title: `Let ${name} stand out` });
    const swatch = element('span', 'reson-swatch', '', { 'aria-hidden': 'true' });
    swatch.style.background = color;
    button.append(swatch, element('span', '', name));
    button.addEventListener('click', () => this.choices.pick(name));
    this.buttons.set(name, button);
    item.append(button);
    return item;
  }
}

function meanEntry(): HTMLElement {
  const item = element('li', 'reson-legend-mean');
  const swatch = element('span', 'reson-swatch', '', { 'aria-hidden': 'true' });
  swatch.style.background = 'currentColor';
  item.append(swatch, element('span', '', 'weighted mean'));
  return item;
}
