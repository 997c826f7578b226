import type { ISessionContext } from '@jupyterlab/apputils';
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import { KernelAPI } from '@jupyterlab/services';
import type { Kernel } from '@jupyterlab/services';
import { Signal } from '@lumino/signaling';

import { KernelLink } from './link';
import type { Status } from './reasons';

/** Which notebook and kernel the sidebar speaks for: those that were used last, in JupyterLab and in Notebook 7. */
export class Kernels {
  /** Another notebook or kernel, or what its link tells. */
  readonly changed = new Signal<this, void>(this);

  private session: ISessionContext | null = null;
  private shown: KernelLink | null = null;
  // Those whose first kernel was started, or is not to be.
  private readonly begun = new WeakSet<ISessionContext>();
  // A notebook that is shown again has its state at once.
  private readonly links = new WeakMap<Kernel.IKernelConnection, KernelLink>();

  constructor(
    private readonly tracker: INotebookTracker,
    /** Called with each link that is made: one for each connection to a kernel. */
    private readonly onLink: (link: KernelLink, kernel: Kernel.IKernelConnection) => void
  ) {
    tracker.currentChanged.connect(this.follow, this);
    this.follow();
  }

  get notebook(): NotebookPanel | null {
    return this.tracker.currentWidget;
  }

  get kernel(): Kernel.IKernelConnection | null {
    return this.session?.session?.kernel ?? null;
  }

  get link(): KernelLink | null {
    return this.shown;
  }

  get status(): Status {
    if (!this.notebook) {
      return 'no-notebook';
    }
    if (this.shown) {
      return this.shown.status;
    }
    return this.session && this.begun.has(this.session) ? 'no-kernel' : 'starting';
  }

  /** What the kernel does, in JupyterLab's words; "" if there is none. */
  get activity(): string {
    return this.kernel?.status ?? '';
  }

  /** The notebooks with this kernel, the current one first: several can share one. */
  notebooksOf(id: string): NotebookPanel[] {
    const found = this.tracker.filter(panel => panel.sessionContext.session?.kernel?.id === id);
    return found.sort((a, b) => Number(b === this.notebook) - Number(a === this.notebook));
  }

  /** Gives the current notebook a kernel again. */
  async start(): Promise<void> {
    const { kernel, session } = this;
    // One that died cannot be restarted; another takes its place.
    await (kernel ? session?.changeKernel({ name: kernel.name }) : session?.startKernel());
  }

  private follow(): void {
    const next = this.notebook?.sessionContext ?? null;
    if (next !== this.session) {
      for (const signal of signals(this.session)) {
        signal.disconnect(this.update, this);
      }
      this.session = next;
      for (const signal of signals(next)) {
        signal.connect(this.update, this);
      }
      void next?.ready.then(() => {
        this.begun.add(next);
        this.update();
      });
    }
    this.update();
  }

  private update(): void {
    const { kernel } = this;
    const link = kernel && this.linkOf(kernel);
    if (link !== this.shown) {
      this.shown?.changed.disconnect(this.tell, this);
      this.shown = link;
      link?.changed.connect(this.tell, this);
    }
    this.tell();
  }

  private tell(): void {
    this.changed.emit();
  }

  private linkOf(kernel: Kernel.IKernelConnection): KernelLink {
    const known = this.links.get(kernel);
    if (known) {
      return known;
    }
    const link = new KernelLink(kernel, async () => (await KernelAPI.getKernelModel(kernel.id, kernel.serverSettings))?.execution_state);
    this.links.set(kernel, link);
    this.onLink(link, kernel);
    return link;
  }
}

function signals(session: ISessionContext | null) {
  return session ? [session.kernelChanged, session.statusChanged, session.connectionStatusChanged, session.sessionChanged] : [];
}
