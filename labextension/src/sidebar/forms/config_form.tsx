import { FormComponent } from '@jupyterlab/ui-components';
import type { ReadonlyJSONObject } from '@lumino/coreutils';
import { customizeValidator } from '@rjsf/validator-ajv8';
import React, { memo } from 'react';

import type { CommandSender } from '../commands';
import type { Form } from '../types';
import { useEdits } from './edits';
import { FieldTemplate, FormContext, ObjectTemplate } from './field';
import { RowsEditor } from './rows';
import { uiSchema, widgets } from './widgets';

const VALIDATOR = customizeValidator<ReadonlyJSONObject>();
const TEMPLATES = { FieldTemplate, ObjectFieldTemplate: ObjectTemplate };

interface Props {
  form: Form;
  link: CommandSender;
}

/** The fields of a form, each committed for itself and judged by the kernel, and its rows. */
export const ConfigForm = memo(function ConfigForm({ form, link }: Props): JSX.Element {
  const edits = useEdits(link);
  return (
    <FormContext.Provider value={{ form, edits }}>
      <FormComponent
        className="jp-Reson-form"
        // Enter in a field finishes the field, it does not send a page away.
        tagName="div"
        idPrefix={`reson-${form.id}`}
        schema={form.schema}
        uiSchema={uiSchema(form.schema.properties)}
        formData={form.values}
        validator={VALIDATOR}
        templates={TEMPLATES}
        widgets={widgets}
        noValidate
        onChange={() => undefined}
      />
      {form.rows && <RowsEditor id={`reson-${form.id}_rows`} rows={form.rows} edits={edits} />}
    </FormContext.Provider>
  );
});
