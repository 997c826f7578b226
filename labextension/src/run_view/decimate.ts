import type { Values } from './history';
import type { Value } from './types';

export type Column = (number | null)[];

/** What is drawn of several lines: one x for all of them. */
export interface Drawing {
  /** 1-based, ascending. */
  x: number[];
  columns: Column[];
  /** Whether several rounds share a place, so that what is drawn of them is their least and their greatest value. */
  thin: boolean;
}

/**
 * The lines as they fit into so many pixels. Of rounds that share one, each line keeps its least and its greatest value, in the
 * order in which it had them; the first and the last round stand for themselves. Values that are no numbers, or that `draws`
 * refuses, are gaps.
 *
 * @param rounds - Every round (0-based) of the lines, ascending.
 */
export function decimate(rounds: number[], lines: Values[], pixels: number, draws: (value: number) => boolean): Drawing {
  const drawn = (value: Value | undefined) => (typeof value === 'number' && draws(value) ? value : null);
  return rounds.length <= 2 * pixels ? whole(rounds, lines, drawn) : thin(rounds, lines, pixels, drawn);
}

type Drawn = (value: Value | undefined) => number | null;

function whole(rounds: number[], lines: Values[], drawn: Drawn): Drawing {
  const places = new Map(rounds.map((round, at) => [round, at]));
  const columns = lines.map(line => {
    const column: Column = Array<null>(rounds.length).fill(null);
    line.rounds.forEach((round, at) => (column[places.get(round) ?? 0] = drawn(line.values[at])));
    return column;
  });
  return { x: rounds.map(round => round + 1), columns, thin: false };
}

function thin(rounds: number[], lines: Values[], pixels: number, drawn: Drawn): Drawing {
  const [first, last] = [rounds[0] ?? 0, rounds[rounds.length - 1] ?? 0];
  // Powers of two, so that a line does not quiver with every round that is added.
  const width = 2 ** Math.max(1, Math.ceil(Math.log2((last - first) / pixels)));
  const buckets = Math.ceil((last - first - 1) / width);
  const x = [first + 1];
  for (let bucket = 0; bucket < buckets; bucket++) {
    const start = first + 2 + bucket * width;
    // Both within the bucket, and before the last round.
    x.push(start, Math.min(start + width - 1, last + 0.5));
  }
  x.push(last + 1);
  const columns = lines.map(line => extremes(line, first, last, width, buckets, drawn));
  return { x, columns, thin: true };
}

function extremes(line: Values, first: number, last: number, width: number, buckets: number, drawn: Drawn): Column {
  const column: Column = Array<null>(2 * buckets + 2).fill(null);
  const ends: [number, number] = [0, 2 * buckets + 1];
  /** Of the bucket at hand: the places of its least and its greatest value. */
  let [least, greatest, bucket] = [-1, -1, -1];
  const close = () => {
    if (least >= 0) {
      column[1 + 2 * bucket] = drawn(line.values[Math.min(least, greatest)]);
      column[2 + 2 * bucket] = drawn(line.values[Math.max(least, greatest)]);
    }
    least = greatest = -1;
  };
  line.rounds.forEach((round, at) => {
    const value = drawn(line.values[at]);
    if (value === null) {
      return;
    }
    if (round === first || round === last) {
      column[round === first ? ends[0] : ends[1]] = value;
      return;
    }
    const here = Math.floor((round - first - 1) / width);
    if (here !== bucket) {
      close();
      bucket = here;
    }
    least = least < 0 || value < (line.values[least] as number) ? at : least;
    greatest = greatest < 0 || value > (line.values[greatest] as number) ? at : greatest;
  });
  close();
  return column;
}
