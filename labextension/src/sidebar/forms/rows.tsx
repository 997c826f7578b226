import { addIcon, Button } from '@jupyterlab/ui-components';
import React, { useRef, useState } from 'react';

import type { Rows } from '../types';
import { useDraft } from './draft';
import type { Edits } from './edits';
import { RowLine } from './row_line';
import { rowOf, sameRow, slip, withoutRow, withRow } from './rows_edit';

interface Props {
  id: string;
  rows: Rows;
  edits: Edits;
}

/** Where the refusal of a new row is told; no row can be called so. */
const NEW = '';

/** Names of the user's own with values of JSON. */
export function RowsEditor({ id, rows, edits }: Props): JSX.Element {
  const [adding, setAdding] = useState(false);
  const keys = Object.keys(rows.texts);
  // What had the focus is gone then.
  const focusAdd = () => document.getElementById(`${id}_add`)?.focus();
  const done = () => {
    setAdding(false);
    focusAdd();
  };
  return (
    <fieldset className="jp-Reson-rows" aria-describedby={`${id}__help`}>
      <legend>{rows.title}</legend>
      <p className="jp-Reson-help" id={`${id}__help`}>
        {rows.help}
      </p>
      {keys.map((key, index) => (
        <KnownRow key={key} id={`${id}_${index}`} rows={rows} name={key} edits={edits} onGone={focusAdd} />
      ))}
      {adding && <NewRow id={`${id}_new`} rows={rows} edits={edits} onDone={done} />}
      <Button id={`${id}_add`} className="jp-Reson-add" minimal small type="button" onClick={() => setAdding(true)}>
        <addIcon.react tag="span" width="14px" height="14px" /> Add
      </Button>
    </fieldset>
  );
}

function KnownRow({ id, rows, name, edits, onGone }: Props & { name: string; onGone: () => void }): JSX.Element {
  const draft = useDraft(
    rowOf(rows, name),
    async row => {
      const wrong = slip(rows, name, row);
      return wrong ? edits.refuse(name, wrong) : edits.commitRows(name, withRow(rows, name, row));
    },
    sameRow
  );
  return (
    <RowLine
      id={id}
      title={name}
      draft={draft}
      pending={edits.isPending(name)}
      message={edits.message(name)}
      remove={() => void edits.commitRows(name, withoutRow(rows, name)).then(gone => gone && onGone())}
    />
  );
}

/** A row that is not there yet: what is typed stays until the kernel takes it. */
function NewRow({ id, rows, edits, onDone }: Props & { onDone: () => void }): JSX.Element {
  const [row, setRow] = useState({ key: '', text: '' });
  const dropped = useRef(false);
  const drop = () => {
    // The focus leaves the row with this, which is no reason to add it.
    dropped.current = true;
    onDone();
  };
  const add = async () => {
    // Half a row is one that is being typed.
    if (!row.key.trim() || !row.text.trim() || dropped.current || edits.isPending(NEW)) {
      return;
    }
    const wrong = slip(rows, null, row);
    if (wrong) {
      edits.refuse(NEW, wrong);
    } else if (await edits.commitRows(NEW, withRow(rows, null, row))) {
      drop();
    }
  };
  return (
    <RowLine
      id={id}
      title="the new row"
      draft={{ value: row, change: setRow, finish: () => void add(), cancel: drop }}
      pending={edits.isPending(NEW)}
      message={edits.message(NEW)}
      remove={drop}
      autoFocus
    />
  );
}
