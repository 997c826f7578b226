import type { Choices } from './choices';
import { columnsOf } from './columns';
import type { Column } from './columns';
import { siteColor } from './colors';
import { element, setText } from './dom';
import { ago } from './format';
import type { RunModel } from './state';
import { trouble } from './trouble';
import type { SiteRow } from './types';

/** From this many sites on, one looks for a site by its name. */
const FILTERED_FROM = 9;

/** The sites: what each does, its last values, when it was last heard, and what is wrong with it. */
export class SiteTable {
  readonly node = element('section', 'reson-sites', '', { 'aria-label': 'Sites' });
  private readonly filter = element('input', 'reson-filter', '', { type: 'search', placeholder: 'Filter sites', 'aria-label': 'Filter sites' });
  private readonly count = element('span', 'reson-note', '', { role: 'status' });
  private readonly tools = element('div', 'reson-table-tools');
  private readonly scroller = element('div', 'reson-scroller reson-tall', '', {
    tabindex: '0',
    role: 'group',
    'aria-label': 'Table of sites'
  });
  private readonly head: HTMLTableRowElement;
  private readonly body: HTMLTableSectionElement;
  private readonly rows = new Map<string, Row>();
  private readonly stopFollowingChoices: () => void;
  private columns: Column[] = [];
  private titles = '';
  private sorted: { title: string; down: boolean } | null = null;
  private last: { model: RunModel; now: number } | null = null;

  constructor(private readonly choices: Choices) {
    const table = element('table', 'reson-table');
    this.head = table.createTHead().insertRow();
    this.body = table.createTBody();
    this.tools.append(this.filter, this.count);
    this.scroller.append(table);
    this.node.append(this.tools, this.scroller);
    this.filter.addEventListener('input', () => this.again());
    this.stopFollowingChoices = choices.subscribe(() => this.again());
  }

  update(model: RunModel, now: number): void {
    this.last = { model, now };
    const sites = [...model.sites.values()];
    this.node.hidden = !sites.length;
    this.tools.hidden = sites.length < FILTERED_FROM;
    this.columns = columnsOf(model);
    this.showHead();
    sites.forEach((site, index) => this.row(site.site, index).update(site, this.columns, now));
    for (const name of [...this.rows.keys()].filter(name => !model.sites.has(name))) {
      this.rows.delete(name);
    }
    const shown = this.arranged(sites);
    setText(this.count, shown.length === sites.length ? `${sites.length} sites` : `${shown.length} of ${sites.length} sites`);
    this.place(shown.flatMap(site => this.rows.get(site.site)?.nodes ?? []));
    this.rows.forEach((row, name) => row.mark(name === this.choices.picked));
  }

  /** Lets the times grow without touching the rest. */
  tick(now: number): void {
    this.rows.forEach(row => row.tick(now));
  }

  dispose(): void {
    this.stopFollowingChoices();
  }

  private again(): void {
    if (this.last) {
      this.update(this.last.model, this.last.now);
    }
  }

  private row(name: string, index: number): Row {
    const row = this.rows.get(name) ?? new Row(name, index, () => this.choices.pick(name));
    this.rows.set(name, row);
    return row;
  }

  /** Moves only what is not where it belongs: a moved button loses the focus. */
  private place(nodes: HTMLTableRowElement[]): void {
    nodes.forEach((node, at) => {
      if (this.body.children[at] !== node) {
        this.body.insertBefore(node, this.body.children[at] ?? null);
      }
    });
    while (this.body.children.length > nodes.length) {
      this.body.lastElementChild?.remove();
    }
  }

  private arranged(sites: SiteRow[]): SiteRow[] {
    const wanted = this.tools.hidden ? '' : this.filter.value.trim().toLowerCase();
    const found = sites.filter(site => site.site.toLowerCase().includes(wanted));
    const column = this.columns.find(({ title }) => title === this.sorted?.title);
    if (!column) {
      return found;
    }
    return found.sort((a, b) => compare(column.key(a), column.key(b), this.sorted?.down ? -1 : 1));
  }

  private showHead(): void {
    const titles = JSON.stringify(this.columns.map(({ title }) => title));
    if (titles !== this.titles) {
      this.titles = titles;
      this.head.replaceChildren(...this.columns.map(({ title }) => this.heading(title)));
    }
    const order = this.sorted?.down ? 'descending' : 'ascending';
    this.columns.forEach(({ title }, at) => {
      this.head.children[at]?.setAttribute('aria-sort', title === this.sorted?.title ? order : 'none');
    });
  }

  private heading(title: string): HTMLElement {
    const cell = element('th', '', '', { scope: 'col' });
    const button = element('button', 'reson-sort', title, { type: 'button', title: `Sort by ${title}` });
    button.addEventListener('click', () => {
      // Up, down, and as they came.
      const again = this.sorted?.title === title;
      this.sorted = again && this.sorted?.down ? null : { title, down: again };
      this.again();
    });
    cell.append(button);
    return cell;
  }
}

/** A site's row, and those below it for what is wrong. */
class Row {
  nodes: HTMLTableRowElement[];
  private readonly row = element('tr', 'reson-site-row');
  private readonly button: HTMLButtonElement;
  private readonly cells: HTMLElement[] = [];
  private below = '';
  private seen: { cell: HTMLElement; time: number | null } | null = null;

  constructor(name: string, index: number, onPick: () => void) {
    this.nodes = [this.row];
    this.button = element('button', 'reson-pick', '', { type: 'button', title: `Let ${name} stand out in the charts` });
    const swatch = element('span', 'reson-swatch', '', { 'aria-hidden': 'true' });
    swatch.style.background = siteColor(index);
    this.button.append(swatch, element('span', '', name));
    const head = element('th', 'reson-site-name', '', { scope: 'row' });
    head.append(this.button);
    this.row.append(head);
    // The button is for the keyboard; with a mouse the whole row is one, unless text is being selected.
    this.row.addEventListener('click', () => {
      if (!getSelection()?.toString()) {
        onPick();
      }
    });
  }

  update(site: SiteRow, columns: Column[], now: number): void {
    columns.slice(1).forEach((column, at) => {
      const cell = this.cells[at] ?? element('td');
      if (!this.cells[at]) {
        this.cells[at] = cell;
        this.row.append(cell);
      }
      cell.className = column.isText ? '' : 'reson-number';
      if (column.time) {
        this.seen = { cell, time: site.last_seen };
      } else {
        setText(cell, column.text(site));
      }
    });
    this.cells.splice(columns.length - 1).forEach(cell => cell.remove());
    this.showTrouble(site, columns.length);
    this.tick(now);
  }

  tick(now: number): void {
    if (this.seen) {
      setText(this.seen.cell, this.seen.time === null ? '–' : ago(now - this.seen.time));
    }
  }

  mark(picked: boolean): void {
    this.row.classList.toggle('reson-picked', picked);
    this.button.setAttribute('aria-pressed', String(picked));
  }

  private showTrouble({ problem, stalled }: SiteRow, columns: number): void {
    const wanted = JSON.stringify([problem, stalled, columns]);
    if (wanted !== this.below) {
      this.below = wanted;
      const rows = [...(problem ? [trouble(problem, 'problem', columns)] : []), ...(stalled ? [trouble(stalled, 'stalled', columns)] : [])];
      this.nodes = [this.row, ...rows];
    }
  }
}

/** What is missing comes last, whichever way. */
function compare(a: number | string | null, b: number | string | null, sign: number): number {
  if (a === null || b === null) {
    return Number(a === null) - Number(b === null);
  }
  return sign * (typeof a === 'number' && typeof b === 'number' ? a - b : String(a).localeCompare(String(b), undefined, { numeric: true }));
}
