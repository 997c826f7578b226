import uPlot from 'uplot';

import { siteColor, ThemeColors } from './colors';
import { decimate } from './decimate';
import type { Drawing } from './decimate';
import { element, setText } from './dom';
import { tick, value } from './format';
import type { History, Metric, Values } from './history';
import { isFinal, lastShown, nearest, roundTicks } from './rounds';
import { logTicks } from './log_ticks';
import { tooltip } from './tooltip';

const HEIGHT = 200;
const NARROW = 280;
/** From this many rounds on, dots would touch each other. */
const DOTS_UP_TO = 40;
/** More lines than this are drawn thinner and without dots. */
const FEW_LINES = 12;
const MEAN = 'weighted mean';
/** So many pixels hold the least and the greatest value of the rounds that share them; more where there are many lines. */
const PIXELS = 2;
const PIXELS_OF_MANY = 4;
// uPlot's own has a line for each tenth of a decade.
const LOG_AXIS: uPlot.Axis = { splits: (_plot, _axis, min, max) => logTicks(min, max), filter: (_plot, ticks) => ticks };

/** What charts are drawn of: a run and its sites, or several runs. */
export interface ChartSource {
  history: History;
  /** Of the lines, in the order that decides their colours. */
  names: string[];
  /** How many rounds there are; what comes after them is the final model's validation. 0: not known. */
  rounds: number;
  done: boolean;
  /** What a line stands for: 'site', or 'run'. */
  noun: string;
  /** Whether there is someone to ask for the values of a round that a thinned history lacks. */
  live: boolean;
  askRound?: (round: number) => void;
}

/** What the reader wants to see of it. */
export interface Look {
  log: boolean;
  picked: string | null;
}

/** A line of a chart. */
export interface Drawn {
  name: string;
  color: () => string;
  values: Values;
  mean: boolean;
  /** Where it stands among the lines, whichever is drawn over the others. */
  place: number;
}

/** One metric over the rounds: a thin line per site, and the weighted mean over it. */
export class MetricChart {
  readonly node = element('figure', 'reson-chart');
  private readonly plotArea = element('div', 'reson-plot', '', { role: 'img' });
  private readonly leftOut = element('p', 'reson-note');
  private readonly resize = new ResizeObserver(() => this.fit());
  private plot: uPlot | null = null;
  private shape = '';
  private picture = '';
  private metric: Metric | null = null;
  private source: ChartSource | null = null;
  private look: Look = { log: false, picked: null };
  private lines: Drawn[] = [];
  private readonly theme = new ThemeColors(this.node);

  constructor(readonly name: string) {
    this.node.append(element('figcaption', 'reson-chart-name', name), this.plotArea, this.leftOut);
    this.resize.observe(this.plotArea);
  }

  /** Draws the metric, if there is anything to be drawn that is not there yet. */
  update(source: ChartSource, look: Look): void {
    const metric = source.history.metric(this.name);
    const picture = JSON.stringify([metric.version, look.log, look.picked, source.rounds, source.names.length, this.width]);
    this.source = source;
    if (metric === this.metric && picture === this.picture) {
      return;
    }
    [this.metric, this.picture, this.look] = [metric, picture, look];
    this.lines = drawnLines(this.theme, metric, source.names, look.picked);
    const draws = look.log ? (number: number) => number > 0 : () => true;
    const pixels = this.lines.length > FEW_LINES ? PIXELS_OF_MANY : PIXELS;
    const drawing = decimate(metric.rounds, this.lines.map(line => line.values), Math.floor(this.width / pixels), draws);
    this.draw(drawing);
    setText(this.leftOut, look.log ? leftOut(this.lines) : '');
    this.leftOut.hidden = !this.leftOut.textContent;
    this.plotArea.setAttribute('aria-label', describe(this.name, metric, this.lines, source.rounds));
  }

  redraw(): void {
    this.theme.forget();
    this.plot?.redraw(false, true);
  }

  dispose(): void {
    this.resize.disconnect();
    this.plot?.destroy();
  }

  private get width(): number {
    return Math.max(160, this.plotArea.clientWidth);
  }

  private get height(): number {
    return this.width < NARROW ? 0.8 * HEIGHT : HEIGHT;
  }

  private fit(): void {
    if (this.plot && this.source && this.plot.width !== this.width) {
      this.plot.setSize({ width: this.width, height: this.height });
      this.update(this.source, this.look);
    }
  }

  private draw({ x, columns, thin }: Drawing): void {
    const total = this.source?.rounds ?? 0;
    const last = lastShown(x.at(-1) ?? 1, total);
    const names = this.lines.map(line => line.name);
    const dots = x.length <= DOTS_UP_TO && names.length <= FEW_LINES;
    const shape = JSON.stringify([names, this.look, total, last, thin, dots]);
    const data: uPlot.AlignedData = [x, ...columns];
    if (this.plot && shape === this.shape) {
      this.plot.setData(data);
      return;
    }
    this.plot?.destroy();
    this.plot = new uPlot(this.options(last, total, dots, thin), data, this.plotArea);
    this.shape = shape;
  }

  private options(last: number, total: number, dots: boolean, thin: boolean): uPlot.Options {
    const soft = () => this.theme.color('--jp-ui-font-color2', '#777');
    const grid = { stroke: () => this.theme.color('--jp-border-color2', '#ccc'), width: 1 };
    const axis = { stroke: soft, grid, ticks: { show: false }, font: '11px system-ui, sans-serif' };
    // A single round stands in the middle.
    const margin = last > 1 ? last * 0.02 : 0.5;
    return {
      width: this.width,
      height: this.height,
      legend: { show: false },
      // What stands for several rounds is not the value of the one under the pointer.
      cursor: {
        y: false,
        drag: { x: false, y: false },
        points: { show: !thin, size: 7 },
        move: (plot, left, top) => [left < 0 ? left : this.snapped(plot, left), top]
      },
      scales: { x: { time: false, range: [1 - margin, last + margin] }, y: { distr: this.look.log ? 3 : 1 } },
      axes: [
        {
          ...axis,
          size: 22,
          label: 'round',
          labelSize: 16,
          labelFont: axis.font,
          incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 100_000, 1_000_000],
          space: last < 1000 ? 28 : 40,
          splits: (_plot, _axis, _min, _max, step) => roundTicks(last, step, total),
          values: (_, ticks) => ticks.map(round => (isFinal(round, total) ? 'final' : String(round)))
        },
        // On a logarithmic axis, ticks that would touch come as null.
        { ...axis, size: 46, ...(this.look.log ? LOG_AXIS : {}), values: (_, ticks) => ticks.map(at => (at === null ? '' : tick(at))) }
      ],
      series: [{}, ...this.lines.map(line => series(line, this.look.picked, dots, this.lines.length > FEW_LINES))],
      plugins: [tooltip(round => this.valuesAt(round), round => (isFinal(round, total) ? 'Final model' : `Round ${round}`))]
    };
  }

  /** The round (0-based) that a place on the axis stands for. */
  private nearest(place: number): number {
    return this.metric && this.source ? nearest(this.metric.rounds, place - 1, this.source.history.thinned) : 0;
  }

  /** Where the line below the pointer stands: at the round whose values are told. */
  private snapped(plot: uPlot, left: number): number {
    return this.metric?.rounds.length ? plot.valToPos(this.nearest(plot.posToVal(left, 'x')) + 1, 'x') : left;
  }

  /** The true values of a round (1-based) near this place; those that are not here are asked for. */
  private valuesAt(place: number): { round: number; values: { line: Drawn; text: string; number: number | null }[] } {
    const { source } = this;
    const round = this.nearest(place);
    const told = [...this.lines].sort((a, b) => a.place - b.place);
    const values = told.map(line => {
      const raw = line.values.at(round);
      const lacking = raw === undefined && isWithin(line.values, round) && round < (source?.history.thinned ?? 0);
      if (lacking) {
        source?.askRound?.(round);
      }
      const unknown = source?.live ? '…' : 'not kept';
      return { line, text: lacking ? unknown : value(raw), number: typeof raw === 'number' ? raw : null };
    });
    return { round: round + 1, values };
  }
}

function drawnLines(theme: ThemeColors, metric: Metric, names: string[], picked: string | null): Drawn[] {
  const places = new Map(names.map((name, at) => [name, at]));
  const lines: Drawn[] = [];
  for (const [name, values] of metric.lines) {
    const place = places.get(name ?? '');
    if (name !== null && place !== undefined) {
      lines.push({ name, values, mean: false, place, color: () => siteColor(place) });
    }
  }
  // What stands out is drawn over the others, and the mean over everything.
  lines.sort((a, b) => Number(a.name === picked) - Number(b.name === picked) || a.place - b.place);
  const mean = metric.lines.get(null);
  const ink = () => theme.color('--jp-ui-font-color1', '#555');
  return mean ? [...lines, { name: MEAN, values: mean, mean: true, place: names.length, color: ink }] : lines;
}

function series({ name, mean, color }: Drawn, picked: string | null, dots: boolean, many: boolean): uPlot.Series {
  const common = { label: name, stroke: color, spanGaps: true };
  if (mean) {
    return { ...common, width: picked === null ? 3 : 1.5, points: { show: dots, size: 6 } };
  }
  // Lines of one pixel are those that browsers draw fastest, by far.
  const [width, alpha] = picked === null ? [many ? 1 : 1.25, 0.9] : name === picked ? [2.5, 1] : [1, 0.15];
  return { ...common, width, alpha, points: { show: dots, size: 5 } };
}

function isWithin({ rounds }: Values, round: number): boolean {
  return round > (rounds[0] ?? Infinity) && round < (rounds.at(-1) ?? -Infinity);
}

function leftOut(lines: Drawn[]): string {
  const count = lines.reduce((sum, { values }) => sum + values.values.filter(one => typeof one === 'number' && one <= 0).length, 0);
  return count ? `A logarithmic scale has no place for ${count === 1 ? 'a value' : `${count} values`} of 0 or less.` : '';
}

function describe(name: string, metric: Metric, lines: Drawn[], totalRounds: number): string {
  const last = metric.rounds.at(-1) ?? 0;
  const final = isFinal(last + 1, totalRounds);
  const told = [...lines.filter(line => line.mean), ...lines.filter(line => !line.mean)];
  const parts = told.map(line => `${line.name} ${value(line.values.at(last))}`);
  const when = final ? 'Of the final model' : `In round ${last + 1}`;
  return `${name} over ${final ? last : last + 1} rounds. ${when}: ${parts.join(', ')}.`;
}
