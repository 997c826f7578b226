import { siteColor } from './colors';
import { element } from './dom';
import { ago, count, value } from './format';
import type { RunModel } from './state';
import type { SiteRow } from './types';

const METRIC_COLUMNS = 6;

/** The sites: what each does, its last values, when it was last heard, and what is wrong with it. */
export class SiteTable {
  readonly node = element('section', 'reson-sites', '', { 'aria-label': 'Sites' });
  private readonly scroller = element('div', 'reson-scroller', '', { tabindex: '0', role: 'group', 'aria-label': 'Table of sites' });
  private lastSeen: { cell: HTMLElement; time: number | null }[] = [];

  constructor() {
    this.node.append(this.scroller);
  }

  update(model: RunModel, now: number): void {
    const rows = [...model.sites.values()];
    this.node.hidden = !rows.length;
    const metrics = model.metrics.slice(0, METRIC_COLUMNS);
    const table = element('table', 'reson-table');
    const head = table.createTHead().insertRow();
    const titles = ['Site', 'Phase', 'Round', 'Samples', ...metrics, 'Last seen'];
    for (const title of titles) {
      head.append(element('th', '', title, { scope: 'col' }));
    }
    this.lastSeen = [];
    const body = table.createTBody();
    rows.forEach((row, index) => {
      body.append(this.row(row, siteColor(index), metrics));
      if (row.problem) {
        body.append(problem(row.problem, titles.length));
      }
    });
    this.scroller.replaceChildren(table);
    this.tick(now);
  }

  /** Lets the times grow without touching the rest. */
  tick(now: number): void {
    for (const { cell, time } of this.lastSeen) {
      cell.textContent = time === null ? '–' : ago(now - time);
    }
  }

  private row(site: SiteRow, color: string, metrics: string[]): HTMLTableRowElement {
    const row = element('tr');
    const name = element('th', 'reson-site-name', '', { scope: 'row' });
    const swatch = element('span', 'reson-swatch', '', { 'aria-hidden': 'true' });
    swatch.style.background = color;
    name.append(swatch, element('span', '', site.site));
    const seen = element('td', 'reson-number');
    this.lastSeen.push({ cell: seen, time: site.last_seen });
    row.append(
      name,
      element('td', '', site.phase || '–'),
      element('td', 'reson-number', site.round === null ? '–' : String(site.round + 1)),
      element('td', 'reson-number', count(site.samples)),
      ...metrics.map(metric => element('td', 'reson-number', value(Object.hasOwn(site.metrics, metric) ? site.metrics[metric] : null))),
      seen
    );
    return row;
  }
}

/** A row of its own below the site's: it can be long, and must be seen where the page is narrow. */
function problem(text: string, columns: number): HTMLTableRowElement {
  const row = element('tr', 'reson-problem');
  const cell = element('td', '', '', { colspan: String(columns) });
  cell.append(element('div', '', text));
  row.append(cell);
  return row;
}
