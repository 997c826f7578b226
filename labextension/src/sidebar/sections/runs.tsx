import { Button, refreshIcon } from '@jupyterlab/ui-components';
import React, { useState } from 'react';

import type { PageActions } from '../actions';
import type { CommandSender } from '../commands';
import { problemOf, sentence } from '../forms/edits';
import { IconButton } from '../parts/icon_button';
import { useLimited } from '../parts/limited';
import { useNow } from '../parts/now';
import type { Json, Runs } from '../types';
import { documentOf } from './outcome';
import { RunItem } from './run_row';

const ROWS = 8;
const MINUTE_MS = 60_000;

interface Props {
  runs: Runs;
  link: CommandSender;
  page: PageActions;
}

/** The runs that this machine knows, the newest first. */
export function RunList({ runs, link, page }: Props): JSX.Element {
  const [problem, setProblem] = useState('');
  const [chosen, setChosen] = useState<string[]>([]);
  const [rows, more] = useLimited(runs.rows, ROWS, 'runs');
  const now = useNow(MINUTE_MS);
  const send = (op: string, args: Record<string, Json> = {}) => {
    setProblem('');
    return link.send(op, args).catch(error => {
      setProblem(sentence(problemOf(error)));
      return null;
    });
  };
  const compare = () =>
    send('compare', { runs: chosen }).then(value => {
      const found = documentOf(value);
      if (found) {
        page.showDocument(found);
      }
    });
  const choose = (id: string, isChosen: boolean) => setChosen(all => [...all.filter(one => one !== id), ...(isChosen ? [id] : [])]);
  return (
    <div className="jp-Reson-runs">
      <div className="jp-Reson-runsHead">
        <h4 id="reson-runs">Runs</h4>
        {chosen.length > 1 && (
          <Button small type="button" onClick={() => void compare()}>
            {`Compare ${chosen.length} runs`}
          </Button>
        )}
        <IconButton icon={refreshIcon} label="Look for runs again" onClick={() => void send('runs')} />
      </div>
      <p className="jp-Reson-message" role="alert">
        {problem || runs.error}
      </p>
      {rows.length === 0 && !runs.error && <p className="jp-Reson-help">None yet.</p>}
      <ul className="jp-Reson-list" aria-labelledby="reson-runs">
        {rows.map(run => (
          <RunItem
            key={run.id}
            run={run}
            now={now}
            chosen={chosen.includes(run.id)}
            onChoose={isChosen => choose(run.id, isChosen)}
            abort={() => send('abort', { run: run.id })}
            page={page}
          />
        ))}
      </ul>
      {more}
      {runs.more > 0 && (
        <p className="jp-Reson-help">
          {`${runs.more} older ones: `}
          <code>%reson runs</code>
        </p>
      )}
    </div>
  );
}
