import { Button } from '@jupyterlab/ui-components';
import React from 'react';

import type { CommandSender } from '../commands';
import { problemOf, sentence } from '../forms/edits';
import { ConfigForm } from '../forms/config_form';
import { useLimited } from '../parts/limited';
import type { Check, Data, Form, Level, State } from '../types';
import { CheckList } from './captures';
import { ShardChart } from './chart';

const BARS = 12;
const UNSEEN = 'Not checked yet: Check shards says which shards, samples and classes lie there.';

interface Props {
  state: State;
  form: Form | undefined;
  link: CommandSender;
}

/** The folder of shards, and what lay in it when somebody looked. */
export function DataSection({ state, form, link }: Props): JSX.Element {
  const [problem, setProblem] = React.useState('');
  const looking = state.submit.activity?.action === 'check_shards';
  const busy = state.submit.activity !== null;
  const unseen = Boolean(form?.values['shards_dir']) && !state.data.folder && !looking;
  const look = () => {
    setProblem('');
    link.send('check_shards').catch(error => setProblem(sentence(problemOf(error))));
  };
  return (
    <>
      {form && <ConfigForm form={form} link={link} />}
      <Button className="jp-Reson-wide" small type="button" aria-disabled={busy} onClick={busy ? undefined : look}>
        {looking ? 'Checking shards…' : 'Check shards'}
      </Button>
      <p className="jp-Reson-message" role="alert">
        {problem || state.data.error}
      </p>
      {unseen && <p className="jp-Reson-help">{UNSEEN}</p>}
      {state.data.folder && <Found data={state.data} />}
    </>
  );
}

export function dataTone({ error, problems, warnings, changed }: Data): Level {
  return error || problems.length ? 'error' : warnings.length || changed ? 'warning' : 'ok';
}

function Found({ data }: { data: Data }): JSX.Element {
  const [shards, button] = useLimited(data.shards, BARS, 'sites');
  const checks = [...list('error', data.problems), ...list('warning', data.warnings)];
  return (
    <div>
      <p className="jp-Reson-headline" role="status">
        {data.headline}
      </p>
      <Age data={data} />
      {shards.length > 0 && <ShardChart data={{ ...data, shards }} />}
      {button}
      {data.more > 0 && <p className="jp-Reson-help">{`and ${data.more} more shards`}</p>}
      <CheckList checks={checks} />
    </div>
  );
}

/** When it was looked at; what changed since is not shown above. */
function Age({ data }: { data: Data }): JSX.Element {
  const looked = `Checked at ${new Date(data.looked * 1000).toLocaleTimeString()}.`;
  return data.changed ? (
    <CheckList checks={[{ level: 'warning', text: `${looked} The folder has changed since; check again.` }]} />
  ) : (
    <p className="jp-Reson-help">{looked}</p>
  );
}

function list(level: Level, texts: string[]): Check[] {
  return texts.map(text => ({ level, text }));
}
