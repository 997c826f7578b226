import { MetricChart } from './chart';
import type { ChartSource } from './chart';
import type { Choices } from './choices';
import { onThemeChange } from './colors';
import { Controls } from './controls';
import { element, setText } from './dom';
import { Legend } from './legend';

/** The charts side by side, one legend for all of them, and what can be chosen about them. */
export class Charts {
  readonly node = element('section', 'reson-charts-section', '', { 'aria-label': 'Metrics over the rounds' });
  private readonly bar = element('div', 'reson-charts-bar');
  private readonly grid = element('div', 'reson-charts');
  private readonly note = element('p', 'reson-note');
  private readonly controls: Controls;
  private readonly legend: Legend;
  private readonly charts = new Map<string, MetricChart>();
  private readonly stopFollowingTheme = onThemeChange(() => this.charts.forEach(chart => chart.redraw()));
  private readonly stopFollowingChoices: () => void;
  private source: ChartSource | null = null;

  constructor(private readonly choices: Choices) {
    this.controls = new Controls(choices);
    this.legend = new Legend(choices);
    this.bar.append(this.legend.node, this.controls.node);
    this.node.append(this.bar, this.grid, this.note);
    this.stopFollowingChoices = choices.subscribe(() => this.source && this.update(this.source));
  }

  update(source: ChartSource): void {
    this.source = source;
    const metrics = source.history.names;
    const names = this.choices.shown(metrics);
    for (const [name, chart] of this.charts) {
      if (!names.includes(name)) {
        this.remove(name, chart);
      }
    }
    const charts = names.map(name => this.chart(name));
    if (charts.some((chart, at) => this.grid.children[at] !== chart.node)) {
      this.grid.replaceChildren(...charts.map(chart => chart.node));
    }
    // A choice that was made for other lines fades none of these.
    const picked = this.choices.picked !== null && source.names.includes(this.choices.picked) ? this.choices.picked : null;
    charts.forEach(chart => chart.update(source, { log: this.choices.log, picked }));
    this.bar.hidden = !metrics.length;
    this.legend.update(source.names, source.noun, metrics.some(name => source.history.metric(name).lines.has(null)));
    this.controls.update(metrics);
    setText(this.note, note(metrics.length, names.length, source.done));
    this.note.hidden = !this.note.textContent;
  }

  dispose(): void {
    this.stopFollowingTheme();
    this.stopFollowingChoices();
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
}

function note(metrics: number, shown: number, done: boolean): string {
  if (!metrics) {
    return done ? 'No metric was reported.' : 'Metrics are drawn here as soon as the first site reports one.';
  }
  const more = metrics - shown;
  return more ? `${more === 1 ? '1 more metric is' : `${more} more metrics are`} not drawn: see Metrics.` : '';
}
