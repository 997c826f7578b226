import { Notification } from '@jupyterlab/apputils';
import type { ICommandPalette } from '@jupyterlab/apputils';
import type { CommandRegistry } from '@lumino/commands';

import type { PageActions } from './actions';
import type { Kernels } from './kernels';
import { reasonFor } from './reasons';
import { act, TITLES } from './sections/outcome';
import type { RunAction } from './sections/outcome';

/** What the sidebar's buttons do, for the palette and for shortcuts of the user's own: reson:check, reson:preview, reson:submit. */
export function addActionCommands(commands: CommandRegistry, palette: ICommandPalette | null, kernels: Kernels, page: PageActions): void {
  for (const action of ['check', 'preview', 'submit'] as const) {
    const command = `reson:${action}`;
    commands.addCommand(command, { label: `Reson: ${TITLES[action]}`, execute: () => start(action, kernels, page) });
    palette?.addItem({ command, category: 'Reson' });
  }
}

async function start(action: RunAction, { link, status }: Kernels, page: PageActions): Promise<void> {
  const submit = link?.state?.submit;
  if (!link || !submit || status !== 'ready') {
    Notification.warning(reasonFor(status).text || 'The kernel has not answered yet.');
  } else if (submit.obstacles[action].length > 0) {
    Notification.warning(submit.obstacles[action].join(' '));
  } else {
    const { ok, text, hint } = await act(action, link, page);
    Notification.emit([text, hint].filter(Boolean).join(' '), ok ? 'success' : 'error', { autoClose: ok ? 5000 : false });
  }
}
