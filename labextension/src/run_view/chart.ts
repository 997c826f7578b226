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
    const last = Math.max(totalRounds, table.rounds.at(-1) ?? 1);
    const shape = JSON.stringify([table.sites.map(line => line.site), totalRounds, last, table.rounds.length > DOTS_UP_TO]);
    if (this.plot && shape === this.drawn) {
      this.plot.setData(data);
    } else {
      this.plot?.destroy();
      this.plot = new uPlot(this.options(table, siteNames, totalRounds, last), data, this.plotArea);
      this.drawn = shape;
    }
    this.plotArea.setAttribute('aria-label', describe(table, totalRounds));
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

  private options(table: MetricTable, siteNames: string[], totalRounds: number, last: number): uPlot.Options {
    const points = { show: table.rounds.length <= DOTS_UP_TO, size: 5 };
    const ink = () => themeColor(this.node, '--jp-ui-font-color1', '#555');
    const soft = () => themeColor(this.node, '--jp-ui-font-color2', '#777');
    const grid = { stroke: () => themeColor(this.node, '--jp-border-color2', '#ccc'), width: 1 };
    const axis = { stroke: soft, grid, ticks: { show: false }, font: '11px system-ui, sans-serif' };
    // A single round stands in the middle.
    const margin = last > 1 ? last * 0.02 : 0.5;
    return {
      width: this.width,
      height: HEIGHT,
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 } },
      scales: { x: { time: false, range: [1 - margin, last + margin] } },
      axes: [
        {
          ...axis,
          size: 22,
          label: 'round',
          labelSize: 16,
          labelFont: axis.font,
          incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000],
          space: 28,
          splits: (_plot, _axis, _min, _max, step) => roundTicks(last, step, totalRounds),
          values: (_, ticks) => ticks.map(round => (isFinal(round, totalRounds) ? 'final' : String(round)))
        },
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
      plugins: [tooltip(round => (isFinal(round, totalRounds) ? 'Final model' : `Round ${round}`))]
    };
  }
}

/** Whether it is the validation of the final model, which comes one after the last round. */
function isFinal(round: number, totalRounds: number): boolean {
  return totalRounds > 0 && round > totalRounds;
}

/** Whole rounds, `step` apart, and the final model's validation, which no other tick may touch. */
export function roundTicks(last: number, step: number, totalRounds: number): number[] {
  const final = isFinal(last, totalRounds) ? [last] : [];
  const ticks: number[] = [];
  for (let round = step; round <= last; round += step) {
    if (!final.length || round < last - 0.7 * step) {
      ticks.push(round);
    }
  }
  return [...ticks, ...final];
}

function describe({ name, rounds, mean, sites }: MetricTable, totalRounds: number): string {
  const last = rounds.length - 1;
  const parts = [
    { site: 'weighted mean', values: mean },
    ...sites
  ].map(line => `${line.site} ${value(line.values[last])}`);
  const newest = rounds[last] ?? 0;
  const final = isFinal(newest, totalRounds);
  const when = final ? 'Of the final model' : `In round ${newest}`;
  return `${name} over ${rounds.length - Number(final)} rounds. ${when}: ${parts.join(', ')}.`;
}
