import { Button } from '@jupyterlab/ui-components';
import React from 'react';

import type { PageActions } from './actions';
import { CommandError } from './commands';
import type { Kernels } from './kernels';
import { reasonFor } from './reasons';
import type { Status } from './reasons';
import { Sections } from './sections';

interface FaceProps {
  kernels: Kernels;
  page: PageActions;
  /** Grows with each link, so that nothing of one kernel's forms is left in those of another. */
  linkNumber: number;
}

/** What the sidebar shows for a kernel: whose it is, why there is nothing, or the sections. */
export function Face({ kernels, page, linkNumber }: FaceProps): React.JSX.Element {
  const { link, notebook, status } = kernels;
  const state = link?.state ?? null;
  return (
    <>
      <div className="jp-Reson-head">
        <h2>Reson</h2>
        {notebook && <Whose name={notebook.title.label} kernel={notebook.sessionContext.kernelDisplayName} status={kernels.activity} />}
      </div>
      {status !== 'ready' && <Empty key={status} status={status} kernels={kernels} />}
      {link && state && (
        <fieldset className="jp-Reson-live" disabled={status !== 'ready'} aria-label="Training">
          <Sections key={linkNumber} state={state} link={link} page={page} />
        </fieldset>
      )}
    </>
  );
}

function Whose({ name, kernel, status }: { name: string; kernel: string; status: string }): React.JSX.Element {
  return (
    <p className="jp-Reson-whose">
      <span className="jp-Reson-notebook">{name}</span>
      <span className="jp-Reson-kernel">{status ? `${kernel} · ${status}` : kernel}</span>
    </p>
  );
}

function Empty({ status, kernels }: { status: Status; kernels: Kernels }): React.JSX.Element {
  const { text, action, waits } = reasonFor(status);
  const [busy, setBusy] = React.useState(false);
  const [problem, setProblem] = React.useState<CommandError['problem'] | null>(null);
  const act = async (): Promise<void> => {
    setBusy(true);
    setProblem(null);
    try {
      await (action?.does === 'load' ? kernels.link?.load() : kernels.start());
    } catch (error) {
      setProblem((error instanceof CommandError ? error : CommandError.because(String(error))).problem);
    }
    setBusy(false);
  };
  return (
    <div className={`jp-Reson-empty${waits ? ' jp-mod-waits' : ''}`}>
      <p role="status">{text}</p>
      {action && (
        <Button className="jp-mod-styled jp-mod-accept" disabled={busy} onClick={() => void act()}>
          {action.label}
        </Button>
      )}
      {problem && (
        <p role="alert" className="jp-Reson-problem">
          {problem.message} {problem.hint}
        </p>
      )}
    </div>
  );
}
