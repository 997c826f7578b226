import React from 'react';

import type { CommandSender } from '../commands';
import { ConfigForm } from '../forms/config_form';
import { Mark } from '../parts/mark';
import type { Form, Key } from '../types';

/** Where runs go and files lie, and whether the keys for it are there. */
export function TargetSection({ form, link }: { form: Form; link: CommandSender }): JSX.Element {
  return (
    <>
      {form.problem && (
        <p className="jp-Reson-formProblem" role="alert">
          <Mark tone="error" text="error" /> {form.problem}
        </p>
      )}
      <ConfigForm form={form} link={link} />
      {form.keys.length > 0 && <Keys keys={form.keys} />}
    </>
  );
}

function Keys({ keys }: { keys: Key[] }): JSX.Element {
  return (
    <div className="jp-Reson-keys">
      <h4 id="reson-keys">Keys of the environment</h4>
      <ul className="jp-Reson-list" aria-labelledby="reson-keys">
        {keys.map(key => (
          <li key={key.name}>
            <Mark tone={key.is_set ? 'ok' : 'idle'} />
            <code>{key.variable}</code>: {key.is_set ? 'set' : 'not set'}
          </li>
        ))}
      </ul>
    </div>
  );
}
