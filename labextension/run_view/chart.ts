import uPlot from 'uplot';

import { siteColor, themeColor } from './colors';
import { element } from './dom';
import { tick, value } from './format';
import type { MetricTable } from './state';
import { tooltip } from './tooltip';

const HEIGHT = 200;
/** From this many rounds on, dots would touch each other. */
const DOTS_UP_TO = 40;

/** One metric over the rounds: a line per site, and the weighted mean over it. */
export class MetricChart {
  readonly node: HTMLElement;
  private readonly plotArea = element('div', 'reson-plot');
  private readonly resize = new ResizeObserver(() => this.fit());
  private plot: uPlot | null = null;
  private drawn = '';

  constructor(readonly name: string) {
    this.node = element('figure', 'reson-chart');
    this.node.append(element('figcaption', 'reson-chart-name', name), this.plotArea);
    this.plotArea.setAttribute('role', 'img');
    this.resize.observe(this.plotArea);
  }

  /** Draws the table; `siteNames` decides the colours, so that a site looks the same in every chart. */
  update(table: MetricTable, siteNames: string[], totalRounds: number): void {
    const data: uPlot.AlignedData = [table.rounds, ...table.sites.map(line => line.values), table.mean];
    const shape = JSON.stringify([table.sites.map(line => line.site), totalRounds, table.rounds.length > DOTS_UP_TO]);
    if (this.plot && shape === this.drawn) {
      this.plot.setData(data);
    } else {
      this.plot?.destroy();
      this.plot = new uPlot(this.options(table, siteNames, totalRounds), data, this.plotArea);
      this.drawn = shape;
    }
    this.plotArea.setAttribute('aria-label', describe(table));
  }

  redraw(): void {
    this.plot?.redraw(false, true);
  }

  dispose(): void {
    this.resize.disconnect();
    this.plot?.destroy();
  }

  private get width(): number {
    return Math.max(160, this.plotArea.clientWidth);
  }

  private fit(): void {
    if (this.plot && this.plot.width !== this.width) {
      this.plot.setSize({ width: this.width, height: HEIGHT });
    }
  }

  private options(table: MetricTable, siteNames: string[], totalRounds: number): uPlot.Options {
    const points = { show: table.rounds.length <= DOTS_UP_TO, size: 5 };
    const ink = () => themeColor(this.node, '--jp-ui-font-color1', '#555');
    const soft = () => themeColor(this.node, '--jp-ui-font-color2', '#777');
    const grid = { stroke: () => themeColor(this.node, '--jp-border-color2', '#ccc'), width: 1 };
    const axis = { stroke: soft, grid, ticks: { show: false }, font: '11px system-ui, sans-serif' };
    const last = Math.max(totalRounds, table.rounds.at(-1) ?? 1, 2);
    return {
      width: this.width,
      height: HEIGHT,
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 } },
      scales: { x: { time: false, range: [1 - last * 0.02, last * 1.02] } },
      axes: [
        { ...axis, size: 22, label: 'round', labelSize: 16, labelFont: axis.font, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000], space: 28 },
        { ...axis, size: 46, values: (_, ticks) => ticks.map(tick) }
      ],
      series: [
        {},
        ...table.sites.map(({ site }) => ({
          label: site,
          stroke: siteColor(siteNames.indexOf(site)),
          width: 1.25,
          alpha: 0.9,
          spanGaps: true,
          points
        })),
        { label: 'weighted mean', stroke: ink, width: 3, spanGaps: true, points: { ...points, size: 6 } }
      ],
      plugins: [tooltip()]
    };
  }
}

function describe({ name, rounds, mean, sites }: MetricTable): string {
  const last = rounds.length - 1;
  const parts = [
    { site: 'weighted mean', values: mean },
    ...sites
  ].map(line => `${line.site} ${value(line.values[last])}`);
  return `${name} over ${rounds.length} rounds. In round ${rounds[last] ?? 0}: ${parts.join(', ')}.`;
}
