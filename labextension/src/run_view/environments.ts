import { element } from './dom';
import { trouble } from './trouble';
import type { EnvironmentRow, Environments } from './types';

/** What is longer may take several lines. */
const LONG = 24;

/** What the sites have, as they said before the first round: one line where all is well, an open table where it is not. */
export class EnvironmentTable {
  readonly node = element('section', 'reson-environments', '', { 'aria-label': 'What the sites have' });
  private readonly details = element('details', '');
  private readonly summary = element('summary', 'reson-environments-summary');
  private readonly scroller = element('div', 'reson-scroller', '', {
    tabindex: '0',
    role: 'group',
    'aria-label': 'Table of what the sites have'
  });
  private shown = '';

  constructor() {
    this.details.append(this.summary, this.scroller);
    this.node.append(this.details);
  }

  update(environments: Environments | null): void {
    this.node.hidden = !environments;
    const wanted = JSON.stringify(environments);
    if (!environments || wanted === this.shown) {
      return;
    }
    this.shown = wanted;
    const tone = environments.wrong ? 'warn' : 'good';
    // Opened when something turns out to be wrong; else as the reader left it.
    if (environments.wrong && this.node.dataset['tone'] !== tone) {
      this.details.open = true;
    }
    this.node.dataset['tone'] = tone;
    this.summary.textContent = environments.summary;
    this.scroller.replaceChildren(table(environments));
  }
}

function table({ columns, rows }: Environments): HTMLTableElement {
  const node = element('table', 'reson-table');
  const head = node.createTHead().insertRow();
  for (const title of ['Site', ...columns]) {
    head.append(element('th', '', title, { scope: 'col' }));
  }
  node.createTBody().append(...rows.flatMap(row => siteRows(row, columns.length + 1)));
  return node;
}

function siteRows({ site, cells, problems, notes }: EnvironmentRow, columns: number): HTMLTableRowElement[] {
  const row = element('tr');
  row.append(element('th', 'reson-site-name', site, { scope: 'row' }));
  for (const [text, standsOut] of cells) {
    const cell = element('td', text.length > LONG ? 'reson-long' : 'reson-number', standsOut ? '' : text);
    if (standsOut) {
      cell.append(element('mark', 'reson-differs', text, { title: 'Not as at most of the sites' }));
    }
    row.append(cell);
  }
  return [
    row,
    ...problems.map(text => trouble(`${site} cannot train: ${text}`, 'problem', columns)),
    ...notes.map(text => trouble(text, 'noted', columns))
  ];
}
