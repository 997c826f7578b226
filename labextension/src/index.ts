import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';

import { SidebarPanel } from './sidebar';

const plugin: JupyterFrontEndPlugin<void> = {
  id: 'reson-jupyter:sidebar',
  description: 'The Reson sidebar.',
  autoStart: true,
  activate: (app: JupyterFrontEnd) => {
    // The shell of Notebook 7 has the same method; ILabShell exists in JupyterLab only.
    app.shell.add(new SidebarPanel(), 'left', { rank: 600, type: 'Reson' });
  }
};

export default plugin;
