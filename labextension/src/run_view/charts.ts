import { onThemeChange, siteColor } from './colors';
import { MetricChart } from './chart';
import { element, setText } from './dom';
import type { RunModel } from './state';

/** More charts than this are no longer looked at; the table still has every metric. */
const CHARTS = 12;
/** Beyond these, colours come again, and a legend would tell nothing. */
const NAMED_SITES = 8;

/** The charts side by side, and one legend for all of them. */
export class Charts {
  readonly node = element('section', 'reson-charts-section', '', { 'aria-label': 'Metrics over the rounds' });
  private readonly legend = element('ul', 'reson-legend', '', { 'aria-label': 'Lines of the charts' });
  private readonly grid = element('div', 'reson-charts');
  private readonly note = element('p', 'reson-note');
  private readonly charts = new Map<string, MetricChart>();
  private readonly stopFollowingTheme = onThemeChange(() => this.charts.forEach(chart => chart.redraw()));
  private legendOf = '';

  constructor() {
    this.node.append(this.legend, this.grid, this.note);
  }

  update(model: RunModel): void {
    const names = model.metrics.slice(0, CHARTS);
    for (const [name, chart] of this.charts) {
      if (!names.includes(name)) {
        this.remove(name, chart);
      }
    }
    for (const name of names) {
      this.chart(name).update(model.table(name), model.siteNames, model.run.rounds);
    }
    const nodes = names.map(name => this.chart(name).node);
    if (nodes.some((node, at) => this.grid.children[at] !== node)) {
      this.grid.replaceChildren(...nodes);
    }
    this.drawLegend(names.length ? model.siteNames : []);
    setText(this.note, note(model, names.length));
    this.note.hidden = !this.note.textContent;
  }

  dispose(): void {
    this.stopFollowingTheme();
    this.charts.forEach(chart => chart.dispose());
  }

  private chart(name: string): MetricChart {
    const chart = this.charts.get(name) ?? new MetricChart(name);
    if (!this.charts.has(name)) {
      this.charts.set(name, chart);
      // In the page before it is drawn: its width decides the drawing.
      this.grid.append(chart.node);
    }
    return chart;
  }

  private remove(name: string, chart: MetricChart): void {
    chart.dispose();
    chart.node.remove();
    this.charts.delete(name);
  }

  private drawLegend(sites: string[]): void {
    const wanted = JSON.stringify(sites);
    if (wanted === this.legendOf) {
      return;
    }
    this.legendOf = wanted;
    const entry = (name: string, color: string, mean = false) => {
      const item = element('li', mean ? 'reson-legend-mean' : '');
      const swatch = element('span', 'reson-swatch', '', { 'aria-hidden': 'true' });
      swatch.style.background = color;
      item.append(swatch, element('span', '', name));
      return item;
    };
    const lines = sites.length <= NAMED_SITES
      ? sites.map((site, index) => entry(site, siteColor(index)))
      : [element('li', '', `${sites.length} sites; the values of a round show under the pointer`)];
    this.legend.replaceChildren(...(sites.length ? [entry('weighted mean', 'currentColor', true), ...lines] : []));
    this.legend.hidden = !sites.length;
  }
}

function note(model: RunModel, shown: number): string {
  const more = model.metrics.length - shown;
  if (more > 0) {
    return `${more} more metrics are in the table.`;
  }
  if (shown) {
    return '';
  }
  return model.done ? 'No metric was reported.' : 'Metrics are drawn here as soon as the first site reports one.';
}
