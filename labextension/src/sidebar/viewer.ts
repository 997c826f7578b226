import type { ILabShell, JupyterFrontEnd } from '@jupyterlab/application';
import { Dialog, MainAreaWidget, showDialog } from '@jupyterlab/apputils';
import type { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import { UUID } from '@lumino/coreutils';
import { Panel } from '@lumino/widgets';
import type { Widget } from '@lumino/widgets';

import { resonIcon } from '../icon';
import { renderDocument } from './documents';
import type { KernelLink } from './link';
import { RunPane } from './run_pane';
import type { Document } from './types';

/** Shows things beside the notebook: in tabs where there are some, as JupyterLab has, or else over it. */
export class Viewer {
  private readonly documents = new Map<string, MainAreaWidget<Panel>>();
  private readonly runs = new Map<string, MainAreaWidget<RunPane>>();
  private last: MainAreaWidget | null = null;

  constructor(
    private readonly shell: JupyterFrontEnd.IShell,
    private readonly lab: ILabShell | null,
    private readonly rendermime: IRenderMimeRegistry
  ) {}

  get hasTabs(): boolean {
    return this.lab !== null;
  }

  /** What is called the same has one tab, with the latest in it. */
  async showDocument(doc: Document): Promise<void> {
    const { title } = doc;
    const body = await renderDocument(this.rendermime, doc);
    if (this.hasTabs) {
      const open = this.documents.get(title);
      if (open) {
        open.content.widgets[0]?.dispose();
        open.content.addWidget(body);
        this.shell.activateById(open.id);
        return;
      }
      const tab = new MainAreaWidget({ content: new Panel() });
      tab.content.addWidget(body);
      this.documents.set(title, tab);
      tab.disposed.connect(() => this.documents.delete(title));
      this.add(tab, title);
    } else {
      await showDialog({ title, body, buttons: [Dialog.okButton({ label: 'Close' })], hasClose: true });
    }
  }

  /** A run has one tab, however often somebody asks for it. */
  showRun(kernel: KernelLink, run: string): void {
    const open = this.runs.get(run);
    if (open) {
      this.shell.activateById(open.id);
      return;
    }
    const tab = new MainAreaWidget({ content: new RunPane(kernel, run) });
    this.runs.set(run, tab);
    tab.disposed.connect(() => this.runs.delete(run));
    this.add(tab, run);
  }

  private add(tab: MainAreaWidget<Widget>, title: string): void {
    tab.id = `reson-${UUID.uuid4()}`;
    tab.title.label = title;
    tab.title.icon = resonIcon;
    tab.title.closable = true;
    // Beside the notebook; what comes later, behind what is there.
    const ref = this.last && !this.last.isDisposed ? this.last : null;
    this.shell.add(tab, 'main', ref ? { mode: 'tab-after', ref: ref.id } : { mode: 'split-right' });
    this.last = tab;
    this.shell.activateById(tab.id);
  }
}
