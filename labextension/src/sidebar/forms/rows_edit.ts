import type { Json, Rows } from '../types';
import { isExact, jsonText, jsonValue } from './values';

/** A row as it is typed. */
export interface Row {
  key: string;
  text: string;
}

export function rowOf(rows: Rows, key: string): Row {
  return { key, text: jsonText(rows.values[key] ?? null) };
}

export function sameRow(one: Row, other: Row): boolean {
  return one.key === other.key && one.text === other.text;
}

/** What `configure` gets for a row; `old` is the name of the row that was there, if one was. */
export function rowFields(rows: Rows, old: string | null, row: Row): Record<string, Json> {
  const [key, value] = [row.key.trim(), jsonValue(row.text)];
  if (!rows.field) {
    return old !== null && old !== key ? { [old]: null, [key]: value } : { [key]: value };
  }
  const entries = Object.entries(rows.values).map(([known, kept]) => (known === old ? [key, value] : [known, kept]));
  return { [rows.field]: Object.fromEntries(old === null ? [...entries, [key, value]] : entries) };
}

export function withoutRow(rows: Rows, key: string): Record<string, Json> {
  if (!rows.field) {
    return { [key]: null };
  }
  return { [rows.field]: Object.fromEntries(Object.entries(rows.values).filter(([known]) => known !== key)) };
}

/** Why a row cannot be sent: the kernel would take it for something else. */
export function slip(rows: Rows, old: string | null, row: Row): string {
  const key = row.key.trim();
  if (!key) {
    return 'A row needs a name; the button beside it removes it.';
  }
  if (key !== old && Object.hasOwn(rows.values, key)) {
    return `There is a row ${key} already.`;
  }
  return isExact(jsonValue(row.text)) ? '' : `A number in it has more digits than a page keeps; in a cell: %reson config ${key}=...`;
}
