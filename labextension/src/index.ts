import { ILabShell, ILayoutRestorer } from '@jupyterlab/application';
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { INotebookTracker } from '@jupyterlab/notebook';
import { IRenderMimeRegistry } from '@jupyterlab/rendermime';

import { comparisonFactory } from './comparison/renderer';
import { addActionCommands } from './sidebar/action_commands';
import { Kernels } from './sidebar/kernels';
import { Page } from './sidebar/page';
import { SidebarPanel } from './sidebar/panel';
import { ResultKeeper } from './sidebar/results';
import { Viewer } from './sidebar/viewer';

const OPEN = 'reson:open-sidebar';

const plugin: JupyterFrontEndPlugin<void> = {
  id: 'reson-jupyter:sidebar',
  description: 'The Reson sidebar.',
  autoStart: true,
  requires: [INotebookTracker, IRenderMimeRegistry],
  // Notebook 7 has neither of the shell's two.
  optional: [ILabShell, ILayoutRestorer, ICommandPalette],
  activate: (
    { commands, shell }: JupyterFrontEnd,
    tracker: INotebookTracker,
    rendermime: IRenderMimeRegistry,
    lab: ILabShell | null,
    restorer: ILayoutRestorer | null,
    palette: ICommandPalette | null
  ) => {
    rendermime.addFactory(comparisonFactory);
    const keeper = new ResultKeeper(() => tracker.filter(() => true));
    const kernels = new Kernels(tracker, (link, kernel) => {
      window.addEventListener('pagehide', () => link.leave());
      link.results.connect((_, models) => void keeper.take(kernel.id, models, link));
    });
    const viewer = new Viewer(shell, lab, rendermime);
    const page = new Page(shell, kernels, viewer, run => panel.pin(run));
    const panel = new SidebarPanel(kernels, page, viewer.hasTabs ? (link, run) => viewer.showRun(link, run) : null);
    shell.add(panel, 'left', { rank: 600, type: 'Reson' });
    restorer?.add(panel, panel.id);
    commands.addCommand(OPEN, { label: 'Show Reson', caption: 'Show the Reson sidebar', execute: () => shell.activateById(panel.id) });
    palette?.addItem({ command: OPEN, category: 'Reson' });
    addActionCommands(commands, palette, kernels, page);
  }
};

export default plugin;
