// @vitest-environment happy-dom
import { beforeEach, describe, expect, it, vi } from 'vitest';

import type { ChartSource } from '../src/run_view/chart';
import { Charts } from '../src/run_view/charts';
import { Choices } from '../src/run_view/choices';
import { History } from '../src/run_view/history';
import { RunModel } from '../src/run_view/state';
import { SiteTable } from '../src/run_view/table';

interface Plot {
  options: {
    cursor: { move: (plot: unknown, left: number, top: number) => [number, number] };
    plugins: { hooks: { init: (plot: unknown) => void; setCursor: (plot: unknown) => void } }[];
    scales: { y: { distr: number } };
    series: { label?: string; alpha?: number; width?: number }[];
  };
  data: unknown[];
}

const plots = vi.hoisted(() => [] as Plot[]);

vi.mock('uplot', () => ({
  default: class {
    constructor(readonly options: Plot['options'], readonly data: unknown[]) {
      plots.push(this);
    }
    setData(data: unknown[]) {
      plots.push({ options: this.options, data });
    }
    destroy() {}
  }
}));

function sourceOf(names: string[], metrics: string[], values = [2, 1]): ChartSource {
  const history = new History();
  for (const name of metrics) {
    for (const site of [...names, null]) {
      history.add([{ name, site, rounds: values.map((_, at) => at), values }]);
    }
  }
  return { history, names, rounds: values.length, done: false, noun: 'site', live: true };
}

function charts(source: ChartSource, choices = new Choices()): Charts {
  const found = new Charts(choices);
  found.update(source);
  return found;
}

const shown = ({ node }: Charts) => [...node.querySelectorAll('figcaption')].map(caption => caption.textContent);
const button = (node: HTMLElement, text: string) => [...node.querySelectorAll('button')].find(({ textContent }) => textContent === text)!;
const pressed = (node: HTMLElement, text: string) => button(node, text).getAttribute('aria-pressed');
const box = (node: HTMLElement, name: string) =>
  [...node.querySelectorAll('label')].find(({ textContent }) => textContent === name)!.querySelector('input')!;

function tick(node: HTMLElement, name: string): void {
  const input = box(node, name);
  input.checked = !input.checked;
  input.dispatchEvent(new Event('change'));
}

const last = () => plots.at(-1)!;

beforeEach(() => {
  plots.length = 0;
  sessionStorage.clear();
});

describe('the metrics that have a chart', () => {
  const many = Array.from({ length: 14 }, (_, at) => `m${String(at).padStart(2, '0')}`);

  it('are the first twelve, until others are chosen', () => {
    const view = charts(sourceOf(['a'], many));
    expect(shown(view)).toEqual(many.slice(0, 12));
    expect(view.node.textContent).toContain('2 more metrics are not drawn');
    tick(view.node, 'm01');
    tick(view.node, 'm13');
    expect(shown(view)).toEqual(many.filter(name => !['m01', 'm12'].includes(name)));
    expect(view.node.querySelector('summary')?.textContent).toBe('Metrics: 12 of 14');
  });

  it('that come later have one, too', () => {
    const source = sourceOf(['a'], ['loss', 'accuracy']);
    const view = charts(source);
    tick(view.node, 'loss');
    source.history.add([{ name: 'val_loss', site: 'a', rounds: [0], values: [1] }]);
    view.update(source);
    expect(shown(view)).toEqual(['accuracy', 'val_loss']);
  });
});

it('what was chosen for a run is chosen again in its next view, and not in another run', () => {
  const source = sourceOf(['a', 'b'], ['loss', 'accuracy']);
  const view = charts(source, new Choices('run:1'));
  tick(view.node, 'accuracy');
  button(view.node, 'Log scale').click();
  button(view.node, 'b').click();
  const again = charts(source, new Choices('run:1'));
  expect(shown(again)).toEqual(['loss']);
  expect([pressed(again.node, 'Log scale'), pressed(again.node, 'b')]).toEqual(['true', 'true']);
  expect(shown(charts(source, new Choices('run:2')))).toEqual(['loss', 'accuracy']);
});

it.each(['null', '7', '[]', '{"hidden": 3, "log": "yes", "picked": {}}', '{', '{"hidden": [{"a": 1}]}'])(
  'choices that are kept as %s are none',
  kept => {
    sessionStorage.setItem('reson-view:run:1', kept);
    const choices = new Choices('run:1');
    expect([choices.log, choices.picked, choices.shown(['loss'])]).toEqual([false, null, ['loss']]);
  }
);

it('a logarithmic scale leaves out what it has no place for, and says so', () => {
  const view = charts(sourceOf([], ['loss'], [2, 0, -1]));
  expect(last().data).toEqual([[1, 2, 3], [2, 0, -1]]);
  button(view.node, 'Log scale').click();
  expect(last().options.scales.y.distr).toBe(3);
  expect(last().data).toEqual([[1, 2, 3], [2, null, null]]);
  expect(view.node.textContent).toContain('A logarithmic scale has no place for 2 values of 0 or less.');
  button(view.node, 'Log scale').click();
  expect(view.node.textContent).not.toContain('no place for');
});

describe('a site that is picked', () => {
  it('stands out, over the others that fade, until it is picked again', () => {
    const view = charts(sourceOf(['a', 'b', 'c'], ['loss']));
    button(view.node, 'b').click();
    expect(pressed(view.node, 'b')).toBe('true');
    const looks = last().options.series.slice(1).map(({ label, alpha }) => [label, alpha]);
    expect(looks).toEqual([['a', 0.15], ['c', 0.15], ['b', 1], ['weighted mean', undefined]]);
    button(view.node, 'b').click();
    expect(last().options.series.slice(1).map(({ alpha }) => alpha)).toEqual([0.9, 0.9, 0.9, undefined]);
  });

  it('keeps its place among the values of a round', () => {
    const view = charts(sourceOf(['a', 'b', 'c'], ['loss']));
    button(view.node, 'a').click();
    const over = document.createElement('div');
    const plot = { over, cursor: { left: 1, top: 0 }, data: [[1]], posToVal: () => 1, valToPos: () => 10 };
    const [{ hooks }] = last().options.plugins as [Plot['options']['plugins'][number]];
    hooks.init(plot);
    hooks.setCursor(plot);
    expect([...over.querySelectorAll('.reson-tooltip-name')].map(name => name.textContent)).toEqual(['weighted mean', 'a', 'b', 'c']);
  });

  it('is picked in its row of the table, too, and from a menu where there are many', () => {
    const names = Array.from({ length: 50 }, (_, at) => `hospital-${at}`);
    const choices = new Choices();
    const view = charts(sourceOf(names, ['loss']), choices);
    const table = new SiteTable(choices);
    const model = new RunModel();
    model.apply({ clock: 1, message: { version: 1, full: true, sites: names.map(site => ({ site })) } });
    table.update(model, 1);
    button(table.node, 'hospital-7').click();
    const menu = view.node.querySelector('select')!;
    expect([choices.picked, menu.value, pressed(table.node, 'hospital-7')]).toEqual(['hospital-7', '7', 'true']);
    menu.value = '';
    menu.dispatchEvent(new Event('change'));
    expect([choices.picked, pressed(table.node, 'hospital-7')]).toEqual([null, 'false']);
  });

  it('of another run fades nothing', () => {
    const choices = new Choices();
    choices.pick('gone');
    charts(sourceOf(['a'], ['loss']), choices);
    expect(last().options.series[1]?.alpha).toBe(0.9);
  });
});

it('what is drawn is drawn again only when there is something new', () => {
  const source = sourceOf(['a'], ['loss', 'accuracy']);
  const view = charts(source);
  expect(plots).toHaveLength(2);
  view.update(source);
  expect(plots).toHaveLength(2);
  source.history.add([{ name: 'loss', site: 'a', rounds: [2], values: [0.5] }]);
  view.update(source);
  expect(plots).toHaveLength(3);
});

describe('the table of many sites', () => {
  function table(): { node: HTMLElement; names: () => string[]; model: RunModel; update: () => void } {
    const model = new RunModel();
    const losses = [0.5, 2, null, 1, 'NaN', 3, 4, 5, 6, 10];
    const sites = losses.map((loss, at) => ({ site: `site-${at}`, metrics: loss === null ? {} : { loss } }));
    const lines = [{ name: 'loss', site: null, rounds: [0], values: [1] }];
    model.apply({ clock: 1, message: { version: 1, full: true, sites, lines } });
    const view = new SiteTable(new Choices());
    view.update(model, 1);
    const names = () => [...view.node.querySelectorAll('tbody .reson-pick')].map(cell => cell.textContent ?? '');
    return { node: view.node, names, model, update: () => view.update(model, 1) };
  }

  it('is sorted by a column, up and down, what has no number last, and as it came', () => {
    const { node, names } = table();
    button(node, 'loss').click();
    expect(names().slice(0, 3)).toEqual(['site-0', 'site-3', 'site-1']);
    expect(names().slice(-2)).toEqual(['site-2', 'site-4']);
    expect(button(node, 'loss').closest('th')?.getAttribute('aria-sort')).toBe('ascending');
    button(node, 'loss').click();
    expect(names().slice(0, 2)).toEqual(['site-9', 'site-8']);
    expect(names().slice(-2)).toEqual(['site-2', 'site-4']);
    button(node, 'loss').click();
    expect(names()).toEqual(Array.from({ length: 10 }, (_, at) => `site-${at}`));
  });

  it('is filtered by name', () => {
    const { node, names } = table();
    const filter = node.querySelector('input')!;
    filter.value = 'SITE-3';
    filter.dispatchEvent(new Event('input'));
    expect(names()).toEqual(['site-3']);
    expect(node.textContent).toContain('1 of 10 sites');
  });

  it('keeps its rows, and with them the focus, when something new is told', () => {
    const { node, model, update } = table();
    const before = button(node, 'site-3');
    model.apply({ clock: 2, message: { version: 2, full: false, sites: [{ site: 'site-3', phase: 'returned', problem: 'no disk' }] } });
    update();
    expect(button(node, 'site-3')).toBe(before);
    expect(before.closest('tr')?.textContent).toContain('returned');
    expect(before.closest('tr')?.nextElementSibling?.textContent).toBe('no disk');
  });
});

it('the line below the pointer stands at the round whose values are told', () => {
  charts(sourceOf(['a'], ['loss'], [3, 2, 1]));
  const plot = { posToVal: (left: number) => left / 10, valToPos: (round: number) => round * 10 };
  const { move } = last().options.cursor;
  expect([move(plot, 22, 5), move(plot, 170, 5), move(plot, -10, -10)]).toEqual([[20, 5], [30, 5], [-10, -10]]);
});
