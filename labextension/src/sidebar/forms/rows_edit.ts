import type { Json, Rows } from '../types';

/** A row as it is typed; the kernel says what its text means. */
export interface Row {
  key: string;
  text: string;
}

/** What `set_rows` gets: the rows that an edit is about, and no others. */
export interface RowsChange extends Record<string, Json> {
  field: string;
  set: Record<string, string>;
  drop: string[];
}

export function rowOf(rows: Rows, key: string): Row {
  return { key, text: rows.texts[key] ?? '' };
}

export function sameRow(one: Row, other: Row): boolean {
  return one.key === other.key && one.text === other.text;
}

/** `old` is the name of the row that was there, if one was. */
export function withRow(rows: Rows, old: string | null, row: Row): RowsChange {
  const key = row.key.trim();
  return { field: rows.field, set: { [key]: row.text }, drop: old !== null && old !== key ? [old] : [] };
}

export function withoutRow(rows: Rows, key: string): RowsChange {
  return { field: rows.field, set: {}, drop: [key] };
}

/** Why a row cannot be sent: the kernel would take it for something else. */
export function slip(rows: Rows, old: string | null, row: Row): string {
  const key = row.key.trim();
  if (!key) {
    return 'A row needs a name; the button beside it removes it.';
  }
  return key !== old && Object.hasOwn(rows.texts, key) ? `There is a row ${key} already.` : '';
}
