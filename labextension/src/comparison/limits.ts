import { isRecord } from '../run_view/checks';

/** As many as the kernel compares, and as many as it writes of the rest, see `reson_jupyter/notebook/comparison_bundle.py`. */
export const MOST_RUNS = 12;
export const MOST_ROWS = 1_000;
export const MOST_LINES = 2_400;
const MOST_POINTS = 20_000;
const MOST_NOTES = 100;
const MOST_TABLES = 4;

/** What a comparison from anywhere has too much of to be drawn, in words; '' if it has not. To draw it could take minutes. */
export function tooMuch(raw: unknown): string {
  const { runs, lines, tables, notes } = isRecord(raw) ? raw : {};
  const parts = entries(tables).map(table => (isRecord(table) ? table : {}));
  const rows = parts.flatMap(({ header, rows: body }) => [header, ...entries(body).slice(0, MOST_ROWS + 1)]);
  const points = entries(lines).reduce<number>((sum, line) => sum + (isRecord(line) ? entries(line['rounds']).length : 0), 0);
  const counts: [string, number, number][] = [
    ['runs', entries(runs).length, MOST_RUNS],
    ['lines', entries(lines).length, MOST_LINES],
    ['points', points, MOST_POINTS],
    ['notes', entries(notes).length, MOST_NOTES],
    ['tables', parts.length, MOST_TABLES],
    ['columns', Math.max(0, ...rows.slice(0, MOST_TABLES * (MOST_ROWS + 2)).map(row => entries(row).length)), MOST_RUNS + 1],
    ['rows', Math.max(0, ...parts.map(table => entries(table['rows']).length)), MOST_ROWS]
  ];
  const [found] = counts.filter(([, count, most]) => count > most);
  return found ? `${found[1]} ${found[0]}, where ${found[2]} are the most` : '';
}

function entries(value: unknown): unknown[] {
  return Array.isArray(value) ? (value as unknown[]) : [];
}
