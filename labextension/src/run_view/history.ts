import type { Line, Value } from './types';

const ORDER = ['loss', 'accuracy', 'val_loss', 'val_accuracy', 'train_loss', 'train_accuracy'];
/** Nobody has this many; a page that took in more would stand still. */
const MOST_POINTS = 3_000_000;

/** Numbers in ascending order, each once, that mostly come in that order. */
function place(sorted: number[], wanted: number): { at: number; known: boolean } {
  let [low, high] = [0, sorted.length];
  if (high && wanted > (sorted[high - 1] ?? 0)) {
    return { at: high, known: false };
  }
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] ?? 0) < wanted) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return { at: low, known: sorted[low] === wanted };
}

/** Values over the rounds (0-based, ascending). */
export class Values {
  readonly rounds: number[] = [];
  readonly values: Value[] = [];

  /** Puts a value in; tells whether the round had none. */
  set(round: number, value: Value): boolean {
    const { at, known } = place(this.rounds, round);
    if (!known) {
      this.rounds.splice(at, 0, round);
      this.values.splice(at, 0, value);
    }
    this.values[at] = value;
    return !known;
  }

  at(round: number): Value | undefined {
    const { at, known } = place(this.rounds, round);
    return known ? this.values[at] : undefined;
  }
}

/** One metric: the values of each site, and their weighted mean (null). */
export class Metric {
  readonly lines = new Map<string | null, Values>();
  /** Every round that anyone has a value of. */
  readonly rounds: number[] = [];
  /** Counts the changes. */
  version = 0;
  private readonly known = new Set<number>();

  add({ site, rounds, values }: Line): number {
    const line = this.lines.get(site) ?? new Values();
    this.lines.set(site, line);
    this.version += 1;
    return rounds.reduce((fresh, round, at) => {
      this.note(round);
      return fresh + Number(line.set(round, values[at] ?? null));
    }, 0);
  }

  private note(round: number): void {
    if (!this.known.has(round)) {
      this.known.add(round);
      this.rounds.splice(place(this.rounds, round).at, 0, round);
    }
  }
}

/** All values of a run, or of several; whatever is new is put in without a look at the rest. */
export class History {
  /** Rounds before this (0-based) may lack values that there were. */
  thinned = 0;
  private readonly byName = new Map<string, Metric>();
  private size = 0;

  add(lines: Line[]): void {
    for (const line of lines) {
      if (this.size + line.rounds.length > MOST_POINTS) {
        return;
      }
      const metric = this.byName.get(line.name) ?? new Metric();
      this.byName.set(line.name, metric);
      this.size += metric.add(line);
    }
  }

  clear(): void {
    this.byName.clear();
    this.size = this.thinned = 0;
  }

  /** Losses and accuracies by their usual names first, everything else by name. */
  get names(): string[] {
    return [...this.byName.keys()].sort(byImportance);
  }

  metric(name: string): Metric {
    return this.byName.get(name) ?? new Metric();
  }
}

function byImportance(a: string, b: string): number {
  const rank = (name: string) => {
    const at = ORDER.indexOf(name);
    return at < 0 ? Number.MAX_SAFE_INTEGER : at;
  };
  return rank(a) - rank(b) || a.localeCompare(b);
}
