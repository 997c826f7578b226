import { describe, expect, it } from 'vitest';

import { decimate } from '../src/run_view/decimate';
import { Values } from '../src/run_view/history';
import type { Value } from '../src/run_view/types';

const all = () => true;

function line(values: (Value | undefined)[], first = 0): Values {
  const found = new Values();
  values.forEach((value, at) => value !== undefined && found.set(first + at, value));
  return found;
}

const upTo = (count: number) => Array.from({ length: count }, (_, at) => at);

/** The same numbers on every run. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

describe('few rounds', () => {
  it('are drawn as they are, 1-based, with gaps where a line has no number', () => {
    const drawing = decimate([0, 1, 3], [line([5, 6]), line([undefined, 'NaN', undefined, 8])], 100, all);
    expect(drawing).toEqual({ x: [1, 2, 4], columns: [[5, 6, null], [null, null, 8]], thin: false });
  });

  it('leave out what the scale has no place for', () => {
    expect(decimate([0, 1, 2], [line([0, -1, 2])], 100, value => value > 0).columns).toEqual([[null, null, 2]]);
  });

  it('are nothing where there are none', () => {
    expect(decimate([], [line([])], 100, all)).toEqual({ x: [], columns: [[]], thin: false });
  });
});

describe('more rounds than pixels', () => {
  it('keep a single peak and a single dip, each near its round', () => {
    const values: number[] = Array<number>(1000).fill(1);
    values[617] = 9;
    values[300] = -4;
    const { x, columns, thin } = decimate(upTo(1000), [line(values)], 100, all);
    expect(thin).toBe(true);
    expect(x.length).toBeLessThanOrEqual(202);
    const [column = []] = columns;
    expect(Math.abs((x[column.indexOf(9)] ?? 0) - 618)).toBeLessThan(16);
    expect(Math.abs((x[column.indexOf(-4)] ?? 0) - 301)).toBeLessThan(16);
  });

  it('draw up and down in the order in which they were', () => {
    const up = line(upTo(1000));
    const down = line(upTo(1000).map(value => -value));
    const { columns } = decimate(upTo(1000), [up, down], 100, all);
    const numbers = columns.map(column => column.filter(value => value !== null));
    expect(numbers[0]).toEqual([...(numbers[0] ?? [])].sort((a, b) => a - b));
    expect(numbers[1]).toEqual([...(numbers[1] ?? [])].sort((a, b) => b - a));
  });

  it('leave what is drawn of earlier rounds alone when one more comes', () => {
    const rise = random(3);
    const values = upTo(701).map(rise);
    const before = decimate(upTo(700), [line(values.slice(0, 700))], 100, all);
    const after = decimate(upTo(701), [line(values)], 100, all);
    expect(after.x.slice(0, -4)).toEqual(before.x.slice(0, after.x.length - 4));
    expect(after.columns[0]?.slice(0, -4)).toEqual(before.columns[0]?.slice(0, after.x.length - 4));
  });

  it('whatever they are, keep ends and extremes of every line over one ascending x', () => {
    const next = random(7);
    for (let turn = 0; turn < 200; turn++) {
      const count = 50 + Math.floor(next() * 900);
      const pixels = 5 + Math.floor(next() * 60);
      const lines = upTo(1 + Math.floor(next() * 4)).map(() =>
        line(upTo(count).map(() => (next() < 0.2 ? undefined : next() < 0.05 ? 'NaN' : next() * 10 - 5)))
      );
      const rounds = [...new Set(lines.flatMap(({ rounds }) => rounds))].sort((a, b) => a - b);
      const { x, columns } = decimate(rounds, lines, pixels, all);
      expect(x.length).toBeLessThanOrEqual(2 * pixels + 2);
      expect(x.every((at, place) => !place || at > (x[place - 1] ?? 0))).toBe(true);
      expect([x[0], x.at(-1)]).toEqual([(rounds[0] ?? 0) + 1, (rounds.at(-1) ?? 0) + 1]);
      lines.forEach((one, at) => {
        const numbers = one.values.filter(value => typeof value === 'number');
        const drawn = (columns[at] ?? []).filter(value => value !== null);
        expect(columns[at]).toHaveLength(x.length);
        expect(Math.min(...drawn)).toBe(Math.min(...numbers));
        expect(Math.max(...drawn)).toBe(Math.max(...numbers));
        expect(columns[at]?.[0] ?? null).toBe(number(one.at(rounds[0] ?? 0)));
        expect(columns[at]?.at(-1) ?? null).toBe(number(one.at(rounds.at(-1) ?? 0)));
      });
    }
  });
});

function number(value: Value | undefined): number | null {
  return typeof value === 'number' ? value : null;
}
