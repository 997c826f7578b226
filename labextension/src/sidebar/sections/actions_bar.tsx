import { Button, closeIcon } from '@jupyterlab/ui-components';
import React, { useState } from 'react';

import { duration } from '../../run_view/format';
import type { PageActions } from '../actions';
import type { CommandSender } from '../commands';
import { problemOf, sentence } from '../forms/edits';
import { IconButton } from '../parts/icon_button';
import { Mark } from '../parts/mark';
import { useNow } from '../parts/now';
import type { Action, Activity, Submit } from '../types';
import { act, TITLES } from './outcome';
import type { Outcome, RunAction } from './outcome';

const ACTIONS: RunAction[] = ['check', 'preview', 'submit'];
const DOING: Record<Action, string> = {
  check: 'Checking', preview: 'Building the preview', submit: 'Submitting', check_shards: 'Checking shards'
};

interface Props {
  submit: Submit;
  link: CommandSender;
  page: PageActions;
}

/** Check, Preview, Submit; what stands in their way, what goes on, and how the last one came out. */
export function ActionsBar({ submit, link, page }: Props): JSX.Element {
  const [asked, setAsked] = useState(false);
  const [outcome, setOutcome] = useState<Outcome | null>(null);
  const [refusal, setRefusal] = useState('');
  const busy = asked || submit.activity !== null;
  const start = (action: RunAction) => {
    setAsked(true);
    setOutcome(null);
    setRefusal('');
    void act(action, link, page).then(result => {
      setAsked(false);
      setOutcome(result);
    });
  };
  const stop = () => {
    setRefusal('');
    link.send('stop').catch(error => setRefusal(sentence(problemOf(error))));
  };
  return (
    <div className="jp-Reson-actions" role="group" aria-label="Run">
      {submit.activity && <Doing activity={submit.activity} stop={stop} />}
      {refusal && (
        <p className="jp-Reson-message" role="alert">
          {refusal}
        </p>
      )}
      {outcome && !busy && <Result outcome={outcome} page={page} dismiss={() => setOutcome(null)} />}
      <Obstacles submit={submit} />
      <div className="jp-Reson-buttons">
        {ACTIONS.map(action => {
          const possible = !busy && submit.obstacles[action].length === 0;
          return (
            <Button
              key={action}
              className={action === 'submit' ? 'jp-mod-styled jp-mod-accept' : ''}
              small
              type="button"
              // Not `disabled`: the button keeps the focus while it works, and a screen reader finds out why it cannot be used.
              aria-disabled={!possible}
              aria-describedby="reson-doing reson-obstacles"
              onClick={() => possible && start(action)}
            >
              {TITLES[action]}
            </Button>
          );
        })}
      </div>
    </div>
  );
}

function Doing({ activity, stop }: { activity: Activity; stop: () => void }): JSX.Element {
  const now = useNow(1000);
  return (
    <div className="jp-Reson-doing">
      <span className="jp-Reson-spinner" aria-hidden="true" />
      <span role="status" id="reson-doing">{[DOING[activity.action], activity.note].filter(Boolean).join(': ')}</span>
      <span className="jp-Reson-time">{duration(now - activity.since)}</span>
      <Button minimal small type="button" aria-label={`Stop: ${DOING[activity.action]}`} onClick={stop}>
        Stop
      </Button>
    </div>
  );
}

function Result({ outcome, page, dismiss }: { outcome: Outcome; page: PageActions; dismiss: () => void }): JSX.Element {
  const { ok, text, hint, details } = outcome;
  return (
    <div className="jp-Reson-outcome" role={ok ? 'status' : 'alert'} data-tone={ok ? 'ok' : 'error'}>
      <Mark tone={ok ? 'ok' : 'error'} text={ok ? 'done' : 'error'} />
      <div className="jp-Reson-outcomeText">
        <p>{text}</p>
        {hint && <p className="jp-Reson-help">{hint}</p>}
        {details && (
          <button className="jp-Reson-link" type="button" onClick={() => page.showDocument(details)}>
            Details
          </button>
        )}
      </div>
      <IconButton icon={closeIcon} label="Dismiss" onClick={dismiss} />
    </div>
  );
}

/** One sentence for each, and of which action it stands in the way if not of all. */
function Obstacles({ submit }: { submit: Submit }): JSX.Element | null {
  const sentences = [...new Set(ACTIONS.flatMap(action => submit.obstacles[action]))];
  return sentences.length === 0 ? null : (
    <ul className="jp-Reson-list jp-Reson-obstacles" id="reson-obstacles">
      {sentences.map(sentence => {
        const stopped = ACTIONS.filter(action => submit.obstacles[action].includes(sentence));
        return (
          <li key={sentence}>
            <Mark tone="warning" />
            <span>
              {stopped.length < ACTIONS.length && <strong>{stopped.map(action => TITLES[action]).join(', ')}: </strong>}
              {sentence}
            </span>
          </li>
        );
      })}
    </ul>
  );
}
