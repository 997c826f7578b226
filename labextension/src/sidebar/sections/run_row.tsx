import React from 'react';

import type { PageActions } from '../actions';
import { Mark } from '../parts/mark';
import type { Tone } from '../parts/mark';
import type { RunRow } from '../types';
import { AbortButton } from './abort_button';

const TONES: Record<string, Tone> = { finished: 'ok', degraded: 'warning', failed: 'error', lost: 'error', aborted: 'idle' };
const AGES: [Intl.RelativeTimeFormatUnit, number][] = [['day', 86_400], ['hour', 3600], ['minute', 60]];
const RELATIVE = new Intl.RelativeTimeFormat('en', { numeric: 'auto' });

interface Props {
  run: RunRow;
  now: number;
  chosen: boolean;
  onChoose: (chosen: boolean) => void;
  abort: () => Promise<unknown>;
  page: PageActions;
}

/** One run of the history: how it stands, and what can be done with it. */
export function RunItem({ run, now, chosen, onChoose, abort, page }: Props): JSX.Element {
  const name = run.name || run.id;
  return (
    <li className="jp-Reson-runItem" data-run={run.id}>
      <input
        className="jp-mod-styled"
        type="checkbox"
        aria-label={`Compare ${name}`}
        title="Choose to compare"
        checked={chosen}
        onChange={event => onChoose(event.target.checked)}
      />
      <div className="jp-Reson-runMain">
        <div className="jp-Reson-runHead">
          <button className="jp-Reson-link" type="button" title={`Show the live view of ${run.id}`} onClick={() => page.showRun(run.id)}>
            {name}
          </button>
          <span className="jp-Reson-state" data-tone={tone(run)} title={run.reason}>
            <Mark tone={tone(run)} /> {run.stopping ? 'stopping…' : run.unseen ? `${run.state}?` : run.state}
          </span>
        </div>
        <Rounds run={run} />
        <p className="jp-Reson-facts">
          {run.target && `${run.target} · `}
          <time dateTime={new Date(run.started * 1000).toISOString()} title={new Date(run.started * 1000).toLocaleString()}>
            {age(now - run.started)}
          </time>
        </p>
        {run.reason && run.state !== 'finished' && <p className="jp-Reson-reason">{run.reason}</p>}
        {!run.done && !run.stopping && <AbortButton name={name} abort={abort} />}
      </div>
    </li>
  );
}

function Rounds({ run }: { run: RunRow }): JSX.Element {
  const text = run.rounds ? `${run.round} of ${run.rounds} rounds` : `${run.round} rounds`;
  return (
    <div className="jp-Reson-rounds">
      {run.rounds > 0 && (
        <div className="jp-Reson-bar" data-tone={tone(run)} aria-hidden="true">
          <div style={{ width: `${(100 * Math.min(run.round, run.rounds)) / run.rounds}%` }} />
        </div>
      )}
      <span>{text}</span>
    </div>
  );
}

function tone(run: RunRow): Tone {
  return run.unseen ? 'warning' : (TONES[run.state] ?? 'busy');
}

/** "5 minutes ago"; the exact time is in the title. */
export function age(seconds: number): string {
  const [unit, size] = AGES.find(([, length]) => seconds >= length) ?? ['second', 1];
  return unit === 'second' ? 'just now' : RELATIVE.format(-Math.floor(seconds / size), unit);
}
