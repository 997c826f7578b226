import type { JupyterFrontEnd } from '@jupyterlab/application';
import { Notification } from '@jupyterlab/apputils';

import type { PageActions } from './actions';
import { findCell, goTo } from './cells';
import type { Kernels } from './kernels';
import type { Document } from './types';
import type { Viewer } from './viewer';

/** What the sections ask of JupyterLab. */
export class Page implements PageActions {
  constructor(
    private readonly shell: JupyterFrontEnd.IShell,
    private readonly kernels: Kernels,
    private readonly viewer: Viewer,
    private readonly pin: (run: string) => void
  ) {}

  showCell(cellId: string, label: string): void {
    const { kernel } = this.kernels;
    const found = findCell(kernel ? this.kernels.notebooksOf(kernel.id) : [], cellId, label);
    if (found) {
      this.shell.activateById(found.panel.id);
      void goTo(found);
    } else {
      Notification.info(`The cell ${label} is not in this notebook any more.`, { autoClose: 5000 });
    }
  }

  showRun(id: string): void {
    this.pin(id);
  }

  showDocument(doc: Document): void {
    void this.viewer.showDocument(doc);
  }
}
