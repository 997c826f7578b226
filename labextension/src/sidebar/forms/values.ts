import type { FieldSchema, Json } from '../types';

/** How a field's value stands in its input. */
export function fieldText(value: Json | undefined): string {
  if (value === undefined || value === null) {
    return '';
  }
  return Array.isArray(value) ? value.join(', ') : String(value);
}

/** What a text in a field means; null puts the field back. */
export function fieldValue(text: string, schema: FieldSchema): Json {
  if (schema.type === 'array') {
    return text.split(',').map(part => part.trim()).filter(Boolean);
  }
  if (schema.type !== 'integer' && schema.type !== 'number') {
    return text;
  }
  return text.trim() ? Number(text) : null;
}

/** A value as `%reson config` would show it so that it comes back as it is: text without quotes where it can be. */
export function jsonText(value: Json): string {
  return typeof value === 'string' && jsonValue(value) === value ? value : JSON.stringify(value);
}

const OF_PYTHON: Record<string, Json> = { True: true, False: false, None: null };

/** A text that is no JSON is taken as text, as `%reson config` does. */
export function jsonValue(text: string): Json {
  const trimmed = text.trim();
  try {
    return JSON.parse(trimmed) as Json;
  } catch {
    return Object.hasOwn(OF_PYTHON, trimmed) ? OF_PYTHON[trimmed]! : trimmed;
  }
}

/** Whether every number in it reaches the kernel as it is written: a page has no larger ones than these. */
export function isExact(value: Json): boolean {
  if (typeof value === 'number') {
    return Number.isFinite(value) && (!Number.isInteger(value) || Number.isSafeInteger(value));
  }
  return value === null || typeof value !== 'object' || Object.values(value).every(isExact);
}
