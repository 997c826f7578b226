import type { LinkStatus } from './link';

export type Status = 'no-notebook' | 'no-kernel' | LinkStatus;

/** Why there is nothing to show, and what can be done about it. */
export interface Reason {
  text: string;
  /** What a button below it does, with its label. */
  action?: { label: string; does: 'start-kernel' | 'load' };
  /** Passes by itself. */
  waits?: boolean;
}

const REASONS: Record<Status, Reason> = {
  'no-notebook': { text: 'Open a notebook: this shows what is captured and configured in it, and its runs.' },
  'no-kernel': { text: 'This notebook has no kernel.', action: { label: 'Start a kernel', does: 'start-kernel' } },
  starting: { text: 'The kernel starts…', waits: true },
  'not-loaded': { text: 'The extension is not loaded in this kernel.', action: { label: 'Load the extension', does: 'load' } },
  'other-language': { text: 'This notebook\'s kernel does not run Python, and Reson trains PyTorch models only.' },
  busy: { text: 'The kernel runs a cell. This follows when it is done.', waits: true },
  disconnected: { text: 'The connection to the kernel is lost. JupyterLab tries to get it back.', waits: true },
  dead: { text: 'The kernel died, and what was captured in it is gone.', action: { label: 'Restart the kernel', does: 'start-kernel' } },
  ready: { text: '' }
};

export function reasonFor(status: Status): Reason {
  return REASONS[status];
}
