import type { RegistryWidgetsType, WidgetProps } from '@rjsf/utils';
import React from 'react';

import type { FieldSchema, Json } from '../types';
import { useDraft, usePick } from './draft';
import { described, useField } from './field';
import { fieldText, fieldValue } from './values';

const NO_NUMBER = 'This is not a number.';

/** A line that counts when the user leaves it or presses Enter: a number, a text, or texts between commas. */
function LineWidget({ id, name }: WidgetProps): JSX.Element {
  const field = useField(name);
  const { schema } = field;
  const draft = useDraft(fieldText(field.value), text => field.commit(fieldValue(text, schema)));
  const finish = (input: HTMLInputElement) => {
    if (input.validity?.badInput) {
      // The browser keeps such a text to itself; it would pass for an empty field, also to React.
      draft.cancel();
      input.value = draft.value;
      field.refuse(NO_NUMBER);
    } else {
      draft.finish();
    }
  };
  return (
    <input
      id={id}
      className="jp-mod-styled"
      autoComplete="off"
      spellCheck={false}
      placeholder={schema.unset ?? (schema.type === 'array' ? 'none' : '')}
      value={draft.value}
      onChange={event => draft.change(event.target.value)}
      onBlur={event => finish(event.target)}
      onKeyDown={event => {
        if (event.key === 'Enter') {
          finish(event.currentTarget);
        } else if (event.key === 'Escape') {
          draft.cancel();
        }
      }}
      {...limits(schema)}
      {...described(id, field)}
    />
  );
}

function CheckboxWidget({ id, name }: WidgetProps): JSX.Element {
  const field = useField(name);
  const [checked, choose] = usePick(field.value === true, field.commit);
  return (
    <input
      id={id}
      className="jp-mod-styled"
      type="checkbox"
      checked={checked}
      onChange={event => choose(event.target.checked)}
      {...described(id, field)}
    />
  );
}

function SelectWidget({ id, name }: WidgetProps): JSX.Element {
  const field = useField(name);
  const [value, choose] = usePick(fieldText(field.value), field.commit);
  const known = (field.schema.enum ?? []).map(fieldText);
  // A form with a problem has no values.
  const choices = known.includes(value) ? known : [value, ...known];
  return (
    <select
      id={id}
      className="jp-mod-styled"
      value={value}
      onChange={event => choose(event.target.value)}
      {...described(id, field)}
    >
      {choices.map(choice => (
        <option key={choice} value={choice}>
          {choice}
        </option>
      ))}
    </select>
  );
}

/** What the browser may say before the kernel does; the kernel is the judge. */
function limits(schema: FieldSchema): React.InputHTMLAttributes<HTMLInputElement> {
  if (schema.type === 'integer' || schema.type === 'number') {
    const step = schema.type === 'integer' ? 1 : 'any';
    return { type: 'number', step, min: schema.minimum ?? schema.exclusiveMinimum, max: schema.maximum };
  }
  return { type: 'text', maxLength: schema.maxLength };
}

export const widgets: RegistryWidgetsType = { TextWidget: LineWidget, CheckboxWidget, SelectWidget, list: LineWidget };

/** RJSF draws an array as a list with buttons, unless it is told another widget; hosts and models are a line to people. */
export function uiSchema(properties: Record<string, FieldSchema>): Record<string, Json> {
  const arrays = Object.keys(properties).filter(name => properties[name]?.type === 'array');
  return Object.fromEntries(arrays.map(name => [name, { 'ui:widget': 'list' }]));
}
