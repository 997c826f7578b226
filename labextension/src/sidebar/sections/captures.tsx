import { closeIcon } from '@jupyterlab/ui-components';
import React from 'react';

import type { PageActions } from '../actions';
import type { CommandSender } from '../commands';
import { problemOf, sentence } from '../forms/edits';
import { IconButton } from '../parts/icon_button';
import { Mark } from '../parts/mark';
import type { CaptureRow, Check, Level } from '../types';

const ROLES: Record<string, string> = {
  model: 'Model', train: 'Train function', executor: 'Executor', persistor: 'Persistor', command: 'Command', startup: 'Startup',
  project: 'Project'
};

/** What a run takes where nothing was captured. */
const INSTEAD: Record<string, string> = {
  model: 'None yet; a run needs one.',
  train: 'Default: image classification.',
  executor: 'Default executor.',
  persistor: 'Default persistor.'
};

/** Characters; longer ones are more than a look takes in beside a notebook. */
const LONG = 240;

interface Props {
  captures: CaptureRow[];
  link: CommandSender;
  page: PageActions;
}

/** Which cells the run takes, one row for each role. */
export function Captures({ captures, link, page }: Props): JSX.Element {
  const [problem, setProblem] = React.useState('');
  const forget = (row: CaptureRow) => {
    setProblem('');
    link.send('forget', { key: row.key }).catch(error => setProblem(sentence(problemOf(error))));
  };
  return (
    <>
      <ul className="jp-Reson-list">
        {captures.map(row => (
          <li key={row.key} className="jp-Reson-capture">
            <Capture row={row} page={page} onForget={() => forget(row)} />
          </li>
        ))}
      </ul>
      <p className="jp-Reson-message" role="alert">
        {problem}
      </p>
    </>
  );
}

/** The worst of what was looked at; null where there is nothing to say. */
export function worst(checks: Check[]): Level {
  return (['error', 'warning'] as const).find(level => checks.some(check => check.level === level)) ?? 'ok';
}

function Capture({ row, page, onForget }: { row: CaptureRow; page: PageActions; onForget: () => void }): JSX.Element {
  const level = worst(row.checks);
  const known = row.name || row.checks.length > 0;
  const role = roleName(row);
  return (
    <>
      <div className="jp-Reson-captureHead">
        <Mark tone={known ? level : 'idle'} text={known ? level : 'empty'} />
        <span className="jp-Reson-role">{role}</span>
        {known && <IconButton icon={closeIcon} label={`Forget: ${role}`} onClick={onForget} />}
      </div>
      {row.name && <code className="jp-Reson-code">{row.name}</code>}
      {(row.cell || row.size) && <p className="jp-Reson-facts">{facts(row, page)}</p>}
      {!row.name && <Empty role={row.role} />}
      <Checks checks={row.checks} page={page} />
    </>
  );
}

function CellLink({ cell, cellId, page }: { cell: string; cellId: string; page: PageActions }): JSX.Element {
  return (
    <button className="jp-Reson-link" type="button" title="Show this cell" onClick={() => page.showCell(cellId, cell)}>
      {cell}
    </button>
  );
}

function facts(row: CaptureRow, page: PageActions): React.ReactNode {
  const lines = row.lines ? `${row.lines} ${row.lines === 1 ? 'line' : 'lines'}` : '';
  return (
    <>
      {row.cell && <CellLink cell={row.cell} cellId={row.cell_id} page={page} />}
      {[lines, row.size].filter(Boolean).map(part => (row.cell ? ` · ${part}` : part))}
    </>
  );
}

function Empty({ role }: { role: string }): JSX.Element {
  return (
    <p className="jp-Reson-help">
      {INSTEAD[role] ?? 'None.'} Capture one with <code>%%reson_{role}</code>.
    </p>
  );
}

/** What wants attention stands there; what is well is folded. */
function Checks({ checks, page }: { checks: Check[]; page: PageActions }): JSX.Element {
  const fine = checks.filter(check => check.level === 'ok');
  const rest = checks.filter(check => check.level !== 'ok');
  return (
    <>
      <CheckList checks={rest} page={page} />
      {fine.length > 0 && (
        <details className="jp-Reson-checks">
          <summary>{fine.length === 1 ? '1 check passed' : `${fine.length} checks passed`}</summary>
          <CheckList checks={fine} />
        </details>
      )}
    </>
  );
}

/** @param page - Leads to the cells that checks are about, where there are such checks. */
export function CheckList({ checks, page }: { checks: Check[]; page?: PageActions }): JSX.Element | null {
  return checks.length === 0 ? null : (
    <ul className="jp-Reson-list">
      {checks.map((check, index) => (
        <li key={index} className="jp-Reson-check">
          <Mark tone={check.level} text={check.level} />
          <div>
            {check.cell && page && (
              <p>
                <CellLink cell={check.cell} cellId={check.cell_id ?? ''} page={page} /> could not be captured:
              </p>
            )}
            <CheckText text={check.text} />
          </div>
        </li>
      ))}
    </ul>
  );
}

/** Of a long text what is to be done stands there, which is its end; the rest is folded. */
function CheckText({ text }: { text: string }): JSX.Element {
  const sentences = text.split(/(?<=[.!?])\s+(?=[A-Z])/);
  const last = sentences.pop() ?? '';
  if (text.length <= LONG || sentences.length === 0) {
    return <span>{text}</span>;
  }
  return (
    <details className="jp-Reson-checks">
      <summary>{last}</summary>
      {sentences.join(' ')}
    </details>
  );
}

function roleName(row: CaptureRow): string {
  const name = row.key.startsWith('command ') ? row.key.slice('command '.length) : '';
  return [ROLES[row.role] ?? row.role, name].filter(Boolean).join(' ');
}
