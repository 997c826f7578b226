import { every, isRecord, many, text, whole } from '../run_view/checks';
import type { Check } from '../run_view/checks';
import { asLines } from '../run_view/incoming';
import type { Line } from '../run_view/types';
import { MOST_ROWS, MOST_RUNS } from './limits';

export interface ComparedRun {
  id: string;
  /** What it is called in the charts and the tables. */
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
  /** Each with the id of a run as its `site`. */
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

/** What the runs are called, by id and in their order. Labels that are the same, as only a forged notebook has, are numbered. */
export function namesOf(runs: ComparedRun[]): Map<string, string> {
  const labels = new Set(runs.map(run => run.label));
  const same = labels.size < runs.length;
  return new Map(runs.map(({ id, label }, at) => [id, same ? `${at + 1}. ${label}` : label]));
}
