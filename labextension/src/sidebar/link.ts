import { KernelMessage } from '@jupyterlab/services';
import type { Kernel } from '@jupyterlab/services';
import type { JSONObject } from '@lumino/coreutils';
import { Signal } from '@lumino/signaling';

import { Comm } from './comm';
import { CommandError } from './commands';
import type { CommandSender } from './commands';
import { Folded } from './folded';
import { KernelProcess } from './process';
import { Replies } from './replies';
import { reasonFor } from './reasons';
import { Subshell } from './subshell';
import type { Json, ReplyMessage, State, StateMessage } from './types';

const READY_TARGET = 'reson.ready';
/** The kernel takes a page that says nothing for long for gone. */
const SIGN_OF_LIFE_MS = 30_000;
/** A kernel that runs no cell answers within this time. */
const ANSWER_MS = 1000;
/** What the server says of a kernel that has started. Which of the two says little: it takes the end of a message for the end of the cell. */
const BEGUN = new Set(['idle', 'busy']);
const NOT_KNOWN = 'Look at what is shown before you do it again: it may have been done.';

export type LinkStatus = 'starting' | 'not-loaded' | 'other-language' | 'busy' | 'disconnected' | 'dead' | 'ready';

/** What the kernel has for the notebooks' outputs, see `results.ts`. */
export interface ResultsMessage {
  kind: 'results';
  models: string[];
}

/** This page's link with the extension in one kernel: its state comes in, commands go out. No DOM. */
export class KernelLink implements CommandSender {
  /** The state or the status is another. */
  readonly changed = new Signal<this, void>(this);
  /** The kernel answers, again: comms that were opened before are gone. */
  readonly opened = new Signal<this, void>(this);
  readonly results = new Signal<this, string[]>(this);
  isDisposed = false;

  private readonly replies = new Replies();
  private readonly subshell: Subshell;
  private readonly process = new KernelProcess();
  private folded = new Folded();
  private comms: { state: Comm; command: Comm | null } | null = null;
  private readonly sign = setInterval(() => this.giveSign(), SIGN_OF_LIFE_MS);
  /** Grows with each opening, so that what an earlier one still waits for is ignored. */
  private turn = 0;
  private restarting = true;
  private refused = false;
  private language = 'python';
  private asked = false;
  /** It runs a cell since before this page connected, so it has not said anything yet. */
  private occupied = false;

  constructor(
    private readonly kernel: Kernel.IKernelConnection,
    /** What the kernel does as the server knows it. */
    private readonly executionState: () => Promise<string | undefined>
  ) {
    this.subshell = new Subshell(kernel);
    kernel.statusChanged.connect(this.onStatus, this);
    kernel.connectionStatusChanged.connect(this.onConnection, this);
    kernel.iopubMessage.connect(this.onIopub, this);
    kernel.disposed.connect(this.dispose, this);
    // JupyterLab complains about comms whose target nobody registered; `onIopub` hears of them on every connection.
    kernel.registerCommTarget(READY_TARGET, ignore);
    if (kernel.connectionStatus === 'connected') {
      void this.open();
    }
  }

  /** The last that the kernel told; it stays while the connection is down. */
  get state(): State | null {
    return this.folded.state;
  }

  get status(): LinkStatus {
    const { connectionStatus, isDisposed, status } = this.kernel;
    if (isDisposed || status === 'dead') {
      return 'dead';
    }
    if (connectionStatus !== 'connected') {
      return this.restarting ? 'starting' : 'disconnected';
    }
    if (this.language !== 'python') {
      return 'other-language';
    }
    if (this.refused) {
      return 'not-loaded';
    }
    if (this.comms?.command) {
      return 'ready';
    }
    return this.occupied || (status === 'busy' && !this.restarting) ? 'busy' : 'starting';
  }

  async send(op: string, args: Record<string, Json> = {}): Promise<Json> {
    const command = this.comms?.command;
    if (this.status !== 'ready' || !command) {
      throw CommandError.because(reasonFor(this.status).text);
    }
    return this.replies.expect(id => command.send({ id, op, args } as JSONObject));
  }

  /** Opens one more comm of this page's; null if the kernel does not answer now. See `opened`. */
  openComm(target: string, data: JSONObject, onMessage: (data: unknown) => void, onClose: () => void): Comm | null {
    if (this.status !== 'ready' || !this.comms) {
      return null;
    }
    const comm = new Comm(this.kernel, target, this.subshell.id, onMessage, onClose);
    comm.open({ ...data, state: this.comms.state.id });
    return comm;
  }

  /** Loads the extension in the kernel. Rejects with a `CommandError` if that cannot be done. */
  async load(): Promise<void> {
    const { content } = await this.kernel.requestExecute({ code: '%load_ext reson_jupyter', silent: true, store_history: false }).done;
    if (content.status === 'error') {
      const missing = content.ename === 'ModuleNotFoundError' && /'reson_jupyter'/.test(content.evalue);
      throw missing
        ? CommandError.because('reson_jupyter is not installed where this kernel runs.', 'Run this in a cell: %pip install reson-jupyter')
        : CommandError.because(`It could not be loaded: ${content.ename}: ${content.evalue}`);
    }
    // An extension that was loaded already says nothing.
    if (this.status !== 'ready') {
      await this.open();
    }
  }

  /** Tells the kernel that this page is going. */
  leave(): void {
    this.comms?.command?.close();
    this.comms?.state.close();
  }

  dispose(): void {
    if (!this.isDisposed) {
      this.isDisposed = true;
      clearInterval(this.sign);
      this.forget('The kernel is gone.');
      this.changed.emit();
      Signal.disconnectReceiver(this);
      Signal.clearData(this);
    }
  }

  private async open(): Promise<void> {
    const turn = ++this.turn;
    this.close();
    this.refused = false;
    this.changed.emit();
    try {
      this.language = (await this.kernel.spec)?.language ?? 'python';
      if (!(await resolvesWithin(ANSWER_MS, this.kernel.info))) {
        this.occupied = BEGUN.has((await this.executionState()) ?? '');
        this.changed.emit();
      }
      if (this.language === 'python') {
        await this.subshell.start(this.occupied);
        this.openState(turn);
      }
    } catch {
      // The kernel went meanwhile, and its status says so.
    }
    this.changed.emit();
  }

  private openState(turn: number): void {
    if (turn === this.turn && !this.isDisposed) {
      const state = new Comm(this.kernel, 'reson.state', this.subshell.id, this.onState, this.onClosed);
      this.comms = { state, command: null };
      this.restarting = false;
      state.open({});
    }
  }

  private close(): void {
    this.leave();
    this.comms = null;
    this.replies.giveUp('The kernel did not answer.', NOT_KNOWN);
  }

  /** The kernel's end of everything is gone. */
  private forget(message: string): void {
    this.turn += 1;
    this.comms?.state.forget();
    this.comms?.command?.forget();
    this.comms = null;
    this.folded = new Folded();
    this.subshell.forget();
    this.process.forget();
    this.replies.giveUp(message, '');
  }

  private readonly onState = (data: unknown): void => {
    const message = data as StateMessage | ReplyMessage | ResultsMessage;
    if (message.kind === 'reply') {
      this.replies.take(message);
    } else if (message.kind === 'results') {
      this.results.emit(message.models);
    } else if (message.kind === 'state') {
      this.take(message);
    }
  };

  private take(message: StateMessage): void {
    const first = this.openCommand();
    if (this.folded.take(message)) {
      this.asked = false;
    } else if (!this.asked) {
      // One question is enough: until its answer comes, everything that follows the gap is missing something, too.
      this.asked = true;
      void this.send('snapshot').catch(ignore);
    }
    if (first) {
      this.opened.emit();
    }
    this.changed.emit();
  }

  /** Once the kernel has answered it is known to have both; one that has not the extension complains about each. */
  private openCommand(): boolean {
    if (!this.comms || this.comms.command) {
      return false;
    }
    const command = new Comm(this.kernel, 'reson.command', this.subshell.id, ignore, this.onClosed);
    this.comms.command = command;
    command.open({ state: this.comms.state.id });
    return true;
  }

  /** The kernel does not know these comms: the extension is not loaded, or was unloaded. */
  private readonly onClosed = (): void => {
    this.forget('The extension is not loaded any more.');
    this.refused = true;
    this.changed.emit();
  };

  private giveSign(): void {
    if (this.status === 'ready') {
      void this.send('here').catch(ignore);
    }
  }

  private onStatus(_kernel: unknown, status: Kernel.Status): void {
    this.occupied &&= status === 'unknown';
    if (status === 'restarting' || status === 'autorestarting') {
      this.forget('The kernel was restarted before it answered.');
      this.refused = false;
      this.restarting = true;
    } else if (status === 'dead') {
      this.forget('The kernel died before it answered.');
    } else if (status === 'starting' && this.kernel.connectionStatus === 'connected') {
      this.beginAnew();
    }
    this.changed.emit();
  }

  private onConnection(_kernel: unknown, status: Kernel.ConnectionStatus): void {
    if (status === 'connected') {
      void this.open();
    } else {
      this.replies.giveUp('The connection to the kernel was lost before it answered.', NOT_KNOWN);
    }
    this.changed.emit();
  }

  private onIopub(_kernel: unknown, message: KernelMessage.IIOPubMessage): void {
    if (this.process.isAnother(message) && this.comms) {
      this.beginAnew();
    } else if (KernelMessage.isCommOpenMsg(message) && message.content.target_name === READY_TARGET) {
      void this.open();
    }
  }

  /** The kernel is a new process, whoever started it. */
  private beginAnew(): void {
    this.forget('The kernel was restarted before it answered.');
    void this.open();
  }
}

function resolvesWithin(ms: number, promise: Promise<unknown>): Promise<boolean> {
  return Promise.race([promise.then(() => true), new Promise<boolean>(resolve => setTimeout(resolve, ms, false))]);
}

function ignore(): void {
  // Nothing is to be done.
}
