import { checkIcon, circleEmptyIcon, errorIcon, runningIcon } from '@jupyterlab/ui-components';
import type { LabIcon } from '@jupyterlab/ui-components';
import React from 'react';

import { warningIcon } from '../../icon';

export type Tone = 'ok' | 'warning' | 'error' | 'idle' | 'busy';

const ICONS: Record<Tone, LabIcon> = {
  ok: checkIcon, warning: warningIcon, error: errorIcon, idle: circleEmptyIcon, busy: runningIcon
};

/** How something stands: a shape of its own for each, and words for who does not see it. */
export function Mark({ tone, text }: { tone: Tone; text?: string }): JSX.Element {
  const Icon = ICONS[tone].react;
  return (
    <span className="jp-Reson-mark" data-tone={tone}>
      <Icon tag="span" width="14px" height="14px" />
      {text && <span className="jp-Reson-hidden">{text}</span>}
    </span>
  );
}
