import { closeIcon } from '@jupyterlab/ui-components';
import React from 'react';

import { IconButton } from '../parts/icon_button';
import type { DraftField } from './draft';
import type { Row } from './rows_edit';

interface Props {
  id: string;
  title: string;
  draft: DraftField<Row>;
  pending: boolean;
  message: string;
  remove: () => void;
  autoFocus?: boolean;
}

/** Name and value of a row; both count together, when the row is left or Enter is pressed. */
export function RowLine({ id, title, draft, pending, message, remove, autoFocus }: Props): JSX.Element {
  const row = draft.value;
  const shared = {
    className: 'jp-mod-styled',
    autoComplete: 'off',
    spellCheck: false,
    'aria-invalid': message ? true : undefined,
    'aria-busy': pending || undefined,
    'aria-describedby': `${id}__message`
  };
  return (
    <div
      className="jp-Reson-row"
      role="group"
      aria-label={title}
      data-pending={pending || undefined}
      onBlur={event => {
        // To the button that removes it is not out of the row.
        if (!event.currentTarget.contains(event.relatedTarget)) {
          draft.finish();
        }
      }}
      onKeyDown={event => {
        if (event.key === 'Escape') {
          draft.cancel();
        } else if (event.key === 'Enter' && event.target instanceof HTMLInputElement) {
          draft.finish();
        }
      }}
    >
      <input
        {...shared}
        aria-label={`Name of ${title}`}
        placeholder="name"
        autoFocus={autoFocus}
        value={row.key}
        onChange={event => draft.change({ ...row, key: event.target.value })}
      />
      <input
        {...shared}
        aria-label={`Value of ${title}`}
        placeholder="value"
        value={row.text}
        onChange={event => draft.change({ ...row, text: event.target.value })}
      />
      <IconButton icon={closeIcon} label={`Remove ${title}`} onClick={remove} />
      <p className="jp-Reson-message" id={`${id}__message`} role="alert">
        {message}
      </p>
    </div>
  );
}
