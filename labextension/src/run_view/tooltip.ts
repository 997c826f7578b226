import type uPlot from 'uplot';

import type { Drawn } from './chart';
import { element } from './dom';

const ROWS = 10;
const GAP = 10;

export interface RoundValues {
  /** 1-based. */
  round: number;
  values: { line: Drawn; text: string; number: number | null }[];
}

/**
 * Shows the values of the round under the pointer beside it. Of many lines, those nearest to the pointer.
 *
 * @param valuesAt - The values of the round that is nearest to a place on the axis.
 */
export function tooltip(valuesAt: (place: number) => RoundValues, title: (round: number) => string): uPlot.Plugin {
  const box = element('div', 'reson-tooltip', '', { 'aria-hidden': 'true' });
  box.hidden = true;
  const show = (plot: uPlot) => {
    const { left = -1, top = 0 } = plot.cursor;
    box.hidden = left < 0 || !plot.data[0].length;
    if (!box.hidden) {
      const found = valuesAt(plot.posToVal(left, 'x'));
      box.replaceChildren(...rows(plot, found, top, title));
      place(plot, box, found.round);
    }
  };
  return { hooks: { init: plot => void plot.over.append(box), setCursor: show, draw: show } };
}

function rows(plot: uPlot, { round, values }: RoundValues, top: number, title: (round: number) => string): HTMLElement[] {
  const pointer = plot.posToVal(top, 'y');
  const distance = (number: number | null) => (number === null ? Infinity : Math.abs(number - pointer));
  const means = values.filter(({ line }) => line.mean);
  const lines = values.filter(({ line }) => !line.mean);
  const near = lines.length > ROWS ? [...lines].sort((a, b) => distance(a.number) - distance(b.number) || 0) : lines;
  const hidden = lines.length - ROWS;
  const more = hidden > 0 ? [element('div', 'reson-tooltip-more', `and ${hidden} more`)] : [];
  return [element('div', 'reson-tooltip-title', title(round)), ...[...means, ...near.slice(0, ROWS)].map(row), ...more];
}

function row({ line, text }: RoundValues['values'][number]): HTMLElement {
  const node = element('div', 'reson-tooltip-row');
  const swatch = element('span', 'reson-swatch');
  swatch.style.background = line.color();
  node.append(swatch, element('span', 'reson-tooltip-name', line.name), element('span', '', text));
  return node;
}

/** To the right of the round, or to its left where the view ends; never beyond the view, which would cut it off. */
function place(plot: uPlot, box: HTMLElement, round: number): void {
  const x = plot.valToPos(round, 'x');
  const over = plot.over.getBoundingClientRect();
  const view = (plot.over.closest('.reson-run') ?? plot.over).getBoundingClientRect();
  const right = x + GAP;
  const fits = over.left + right + box.offsetWidth <= view.right;
  const left = fits ? right : x - GAP - box.offsetWidth;
  box.style.left = `${Math.max(left, view.left - over.left)}px`;
}
