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
