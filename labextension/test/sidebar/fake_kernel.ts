import { KernelMessage } from '@jupyterlab/services';
import type { Kernel } from '@jupyterlab/services';
import { Signal } from '@lumino/signaling';

import { KernelLink } from '../../src/sidebar/link';
import type { Json, State } from '../../src/sidebar/types';

interface Sent {
  type: string;
  subshell: string | null;
  comm_id: string;
  target_name?: string;
  data: Record<string, Json>;
}

export const STATE = { captures: [], runs: { rows: [], more: 0, error: '' } } as unknown as State;

/** A connection to a kernel: what the page sends is kept, and the test says what the kernel does. */
export class FakeKernel {
  readonly id = 'k1';
  readonly name = 'python3';
  readonly username = '';
  readonly clientId = 'page';
  status: Kernel.Status = 'unknown';
  connectionStatus: Kernel.ConnectionStatus = 'connecting';
  isDisposed = false;
  supportsSubshells = true;
  spec: Promise<{ language: string } | undefined> = Promise.resolve({ language: 'python' });
  info: Promise<unknown> = Promise.resolve({});
  executed: { status: string; ename?: string; evalue?: string } = { status: 'ok' };
  readonly statusChanged = new Signal<this, Kernel.Status>(this);
  readonly connectionStatusChanged = new Signal<this, Kernel.ConnectionStatus>(this);
  readonly iopubMessage = new Signal<this, KernelMessage.IIOPubMessage>(this);
  readonly disposed = new Signal<this, void>(this);
  readonly sent: Sent[] = [];
  readonly code: string[] = [];
  subshells = 0;

  get link(): KernelLink {
    return new KernelLink(this as unknown as Kernel.IKernelConnection, () => Promise.resolve('idle'));
  }

  registerCommTarget(): void {}

  requestDeleteSubshell(): void {}

  sendControlMessage(): unknown {
    this.subshells += 1;
    return { done: Promise.resolve({ content: { subshell_id: `s${this.subshells}` } }) };
  }

  sendShellMessage({ header, content }: { header: { msg_type: string; subshell_id: string | null }; content: Sent }): void {
    this.sent.push({ ...content, type: header.msg_type, subshell: header.subshell_id });
  }

  requestExecute({ code }: { code: string }): unknown {
    this.code.push(code);
    return { done: Promise.resolve({ content: this.executed }) };
  }

  connect(status: Kernel.Status = 'idle'): void {
    this.turn(status);
    this.connectionStatus = 'connected';
    this.connectionStatusChanged.emit('connected');
  }

  lose(): void {
    this.connectionStatus = 'connecting';
    this.connectionStatusChanged.emit('connecting');
    this.turn('unknown');
  }

  turn(status: Kernel.Status): void {
    this.status = status;
    this.statusChanged.emit(status);
  }

  dispose(): void {
    this.isDisposed = true;
    this.disposed.emit();
  }

  /** The comms that the page has opened of a target, the newest last. */
  opened(target: string): Sent[] {
    return this.sent.filter(({ type, target_name }) => type === 'comm_open' && target_name === target);
  }

  commands(op: string): { id: string; args: Json }[] {
    return this.sent.filter(({ type, data }) => type === 'comm_msg' && data['op'] === op).map(({ data }) => data as never);
  }

  tell(data: unknown, comm_id = this.opened('reson.state').at(-1)?.comm_id): void {
    this.iopub('comm_msg', { comm_id, data });
  }

  full(version = 1, state = STATE): void {
    this.tell({ kind: 'state', version, full: true, parts: state });
  }

  patch(version: number, parts: Partial<State>): void {
    this.tell({ kind: 'state', version, full: false, parts });
  }

  close(comm_id = this.opened('reson.state').at(-1)?.comm_id): void {
    this.iopub('comm_close', { comm_id, data: {} });
  }

  ready(): void {
    this.iopub('comm_open', { comm_id: 'r', target_name: 'reson.ready', data: {} });
  }

  /** The process that signs with `session` says what it does, as every page hears. */
  says(execution_state: Kernel.Status, session: string): void {
    this.turn(execution_state);
    this.iopub('status', { execution_state }, session);
  }

  private iopub(msg_type: string, content: unknown, session = 'first'): void {
    this.iopubMessage.emit({ channel: 'iopub', header: { msg_type, session }, content } as unknown as KernelMessage.IIOPubMessage);
  }
}

/** Until what waits for promises has gone on. */
export async function settled(): Promise<void> {
  for (let turns = 0; turns < 20; turns++) {
    await Promise.resolve();
  }
}
