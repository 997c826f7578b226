import { Button } from '@jupyterlab/ui-components';
import React, { useState } from 'react';

interface Props {
  name: string;
  abort: () => Promise<unknown>;
}

type Stage = 'ready' | 'asking' | 'sent';

/** Aborts a run after a second click. */
export function AbortButton({ name, abort }: Props): JSX.Element {
  const [stage, setStage] = useState<Stage>('ready');
  const [touched, setTouched] = useState(false);
  const go = (next: Stage) => {
    setTouched(true);
    setStage(next);
  };
  const send = () => {
    go('sent');
    void abort().finally(() => setStage('ready'));
  };
  if (stage !== 'asking') {
    return (
      <Button
        className="jp-Reson-abort"
        minimal
        small
        type="button"
        aria-label={`Abort ${name}`}
        aria-disabled={stage === 'sent'}
        autoFocus={touched}
        onClick={() => stage === 'ready' && go('asking')}
      >
        {stage === 'sent' ? 'Aborting…' : 'Abort'}
      </Button>
    );
  }
  return (
    <span
      className="jp-Reson-question"
      role="group"
      aria-label={`Abort ${name}?`}
      onKeyDown={event => event.key === 'Escape' && go('ready')}
    >
      <Button className="jp-mod-styled jp-mod-warn" small type="button" onClick={send}>
        Yes, abort
      </Button>
      <Button minimal small type="button" autoFocus onClick={() => go('ready')}>
        Keep running
      </Button>
    </span>
  );
}
