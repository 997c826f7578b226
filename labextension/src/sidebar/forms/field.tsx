import { undoIcon } from '@jupyterlab/ui-components';
import { JSONExt } from '@lumino/coreutils';
import type { FieldTemplateProps, ObjectFieldTemplateProps } from '@rjsf/utils';
import React, { createContext, useContext } from 'react';

import { IconButton } from '../parts/icon_button';
import type { FieldSchema, Form, Json } from '../types';
import type { Edits } from './edits';
import { fieldText } from './values';

export interface FormEdits {
  form: Form;
  edits: Edits;
}

/** What the fields of a form share; RJSF itself would compare it deeply, and not see that an edit was answered. */
export const FormContext = createContext<FormEdits | null>(null);

export interface FieldState {
  name: string;
  schema: FieldSchema;
  value: Json | undefined;
  pending: boolean;
  message: string;
  commit(value: Json): Promise<boolean>;
  refuse(message: string): void;
}

export function useField(name: string): FieldState {
  const shared = useContext(FormContext);
  if (!shared) {
    throw new Error(`the field ${name} stands in no form`);
  }
  const { form, edits } = shared;
  return {
    name,
    schema: form.schema.properties[name] ?? { title: name },
    value: form.values[name],
    pending: edits.isPending(name),
    message: edits.message(name),
    commit: value => edits.commit(name, { [name]: value }),
    refuse: message => edits.refuse(name, message)
  };
}

/** What every control says of its field. */
export function described(id: string, field: FieldState): React.AriaAttributes {
  return {
    'aria-describedby': `${id}__help ${id}__message`,
    'aria-invalid': field.message ? true : undefined,
    'aria-busy': field.pending || undefined
  };
}

/** A field's label, control, help, and what is wrong with its last edit. */
export function FieldTemplate({ id, label, schema, children }: FieldTemplateProps): JSX.Element {
  // The form itself is a field, too.
  return schema.type === 'object' ? children : <Field id={id} name={label} control={children} />;
}

export function ObjectTemplate({ properties }: ObjectFieldTemplateProps): JSX.Element {
  return <>{properties.map(property => property.content)}</>;
}

function Field({ id, name, control }: { id: string; name: string; control: React.ReactNode }): JSX.Element {
  const field = useField(name);
  const back = wayBack(field);
  const reset = () => {
    void field.commit(null);
    document.getElementById(id)?.focus();
  };
  return (
    <div className="jp-Reson-field" data-kind={kindOf(field.schema)} data-pending={field.pending || undefined}>
      <label id={`${id}__label`} htmlFor={id}>
        {breakable(name)}
      </label>
      {back && <IconButton icon={undoIcon} label={back} about={`${id}__label`} onClick={reset} />}
      {control}
      <p className="jp-Reson-help" id={`${id}__help`}>
        {[field.schema.description, origin(field.schema)].filter(Boolean).join(' ')}
      </p>
      <p className="jp-Reson-message" id={`${id}__message`} role="alert">
        {field.message}
      </p>
    </div>
  );
}

/** A long name may go on in the next line after one of its words. */
function breakable(name: string): React.ReactNode[] {
  return name.split(/(?<=_)/).flatMap((word, index) => [<wbr key={index} />, word]);
}

function kindOf({ type, enum: choices }: FieldSchema): string {
  return type === 'integer' || type === 'number' || type === 'boolean' || choices ? 'short' : 'long';
}

/** Where the value comes from, where it is not the form. */
function origin({ env, chosen }: FieldSchema): string {
  return env && !chosen ? `Where nobody sets it here, ${env} counts.` : '';
}

/** What an edit back to nothing would give, in words; "" where nobody has set the field. */
function wayBack({ schema, value }: FieldState): string {
  if (schema.env) {
    return schema.chosen ? `Back to what ${schema.env} says` : '';
  }
  if (schema.unset) {
    return value === undefined ? '' : `Back to ${schema.unset}`;
  }
  const isDefault = value === undefined || JSONExt.deepEqual(value, schema.default ?? null);
  return isDefault ? '' : `Back to ${fieldText(schema.default) || 'nothing'}`;
}
