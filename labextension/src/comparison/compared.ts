import { every, isRecord, many, text, whole } from '../run_view/checks';
import type { Check } from '../run_view/checks';
import { asLines } from '../run_view/incoming';
import type { Line } from '../run_view/types';

/** As many as the kernel compares, and rows as a notebook from anywhere may have. */
const MOST_RUNS = 12;
const MOST_ROWS = 2_000;

export interface ComparedRun {
  id: string;
  /** What it is called in the charts and the tables; the `site` of its lines. */
  label: string;
}

export interface Table {
  title: string;
  header: string[];
  rows: string[][];
}

/** Runs beside each other, as `reson_jupyter/notebook/comparison_bundle.py` writes them into the notebook. */
export interface Compared {
  title: string;
  /** What is to be known beside the tables. */
  notes: string[];
  runs: ComparedRun[];
  /** The most rounds of any run; 0: not known. */
  rounds: number;
  lines: Line[];
  tables: Table[];
}

const texts = many(text, MOST_ROWS);
const lines: Check<Line[]> = value => asLines(value);
const check = every<Compared>({
  title: text,
  notes: texts,
  runs: many(every<ComparedRun>({ id: text, label: text }), MOST_RUNS),
  rounds: whole,
  lines,
  tables: many(every<Table>({ title: text, header: texts, rows: many(texts, MOST_ROWS) }), MOST_RUNS)
});

/** A comparison out of a notebook, which can be from anywhere; null if it is none. */
export function asCompared(value: unknown): Compared | null {
  return (isRecord(value) && check(value)) || null;
}
