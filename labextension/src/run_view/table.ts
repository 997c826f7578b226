import { siteColor } from './colors';
import { element } from './dom';
import { ago, bytes, count, value } from './format';
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
    const measured = rows.some(row => row.memory !== null);
    const titles = ['Site', 'Phase', 'Round', 'Samples', ...metrics, ...(measured ? ['Memory, CPU'] : []), 'Last seen'];
    for (const title of titles) {
      head.append(element('th', '', title, { scope: 'col' }));
    }
    this.lastSeen = [];
    const body = table.createTBody();
    rows.forEach((row, index) => {
      body.append(this.row(row, siteColor(index), metrics, measured));
      if (row.problem) {
        body.append(trouble(row.problem, 'problem', titles.length));
      }
      if (row.stalled) {
        body.append(trouble(row.stalled, 'stalled', titles.length));
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

  private row(site: SiteRow, color: string, metrics: string[], measured: boolean): HTMLTableRowElement {
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
      element('td', 'reson-number', place(site)),
      element('td', 'reson-number', count(site.samples)),
      ...metrics.map(metric => element('td', 'reson-number', value(Object.hasOwn(site.metrics, metric) ? site.metrics[metric] : null))),
      ...(measured ? [element('td', 'reson-number', load(site))] : []),
      seen
    );
    return row;
  }
}

function place({ round, step }: SiteRow): string {
  return round === null ? '–' : `${round + 1}${step === null ? '' : `, step ${step}`}`;
}

function load({ memory, cpu }: SiteRow): string {
  return memory === null ? '–' : `${bytes(memory)}, ${(cpu ?? 0).toFixed(0)} %`;
}

/** A row of its own below the site's: it can be long, and must be seen where the page is narrow. */
export function trouble(text: string, kind: 'problem' | 'stalled' | 'noted', columns: number): HTMLTableRowElement {
  const row = element('tr', `reson-trouble reson-${kind}`);
  const cell = element('td', '', '', { colspan: String(columns) });
  cell.append(element('div', '', text));
  row.append(cell);
  return row;
}
