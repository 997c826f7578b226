import type uPlot from 'uplot';

import { element } from './dom';
import { value } from './format';

const ROWS = 10;
const GAP = 10;

/** Shows the values of the round, under its title, under the pointer beside it. */
export function tooltip(title: (round: number) => string): uPlot.Plugin {
  const box = element('div', 'reson-tooltip', '', { 'aria-hidden': 'true' });
  box.hidden = true;
  return {
    hooks: {
      init: plot => void plot.over.append(box),
      setCursor: plot => {
        const index = plot.cursor.idx;
        box.hidden = index === null || index === undefined || (plot.cursor.left ?? -1) < 0;
        if (!box.hidden) {
          box.replaceChildren(...rows(plot, index as number, title));
          place(plot, box, index as number);
        }
      }
    }
  };
}

function rows(plot: uPlot, index: number, title: (round: number) => string): HTMLElement[] {
  const lines = plot.series.slice(1).map((series, at) => {
    const row = element('div', 'reson-tooltip-row');
    const swatch = element('span', 'reson-swatch');
    swatch.style.background = String(typeof series.stroke === 'function' ? series.stroke(plot, at + 1) : series.stroke);
    const number = value(plot.data[at + 1]?.[index]);
    row.append(swatch, element('span', 'reson-tooltip-name', String(series.label)), element('span', '', number));
    return row;
  });
  // The mean is the last line and the first to be read.
  const mean = lines.pop();
  const shown = mean ? [mean, ...lines.slice(0, ROWS)] : lines;
  const hidden = lines.length - ROWS;
  const more = hidden > 0 ? [element('div', '', `and ${hidden} more sites`)] : [];
  return [element('div', 'reson-tooltip-title', title(plot.data[0][index] ?? 0)), ...shown, ...more];
}

/** To the right of the round, or to its left where the view ends; never beyond the view, which would cut it off. */
function place(plot: uPlot, box: HTMLElement, index: number): void {
  const x = plot.valToPos(plot.data[0][index] ?? 0, 'x');
  const over = plot.over.getBoundingClientRect();
  const view = (plot.over.closest('.reson-run') ?? plot.over).getBoundingClientRect();
  const right = x + GAP;
  const fits = over.left + right + box.offsetWidth <= view.right;
  const left = fits ? right : x - GAP - box.offsetWidth;
  box.style.left = `${Math.max(left, view.left - over.left)}px`;
}
