import type { Channel, Command } from '../run_view/channel';
import type { Comm } from './comm';
import { CommandError } from './commands';
import type { KernelLink } from './link';
import type { CommandProblem } from './types';

/** The way of one run's letters from the kernel to a view in the page: a comm, opened again whenever the kernel answers again. */
export class RunChannel implements Channel {
  readonly letter = null;
  /** Why the kernel cannot show this run. */
  problem: CommandProblem | null = null;

  private comm: Comm | null = null;
  private readonly listeners = new Set<(content: unknown) => void>();

  constructor(
    private readonly kernel: KernelLink,
    readonly run: string,
    private readonly onProblem: () => void
  ) {
    kernel.opened.connect(this.open, this);
    this.open();
  }

  listen(listener: (content: unknown) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  send(command: Command): void {
    if (command.op === 'abort') {
      void this.abort();
    } else {
      this.comm?.send(command);
    }
  }

  dispose(): void {
    this.kernel.opened.disconnect(this.open, this);
    this.listeners.clear();
    this.comm?.close();
  }

  private open(): void {
    this.comm?.forget();
    this.comm = this.kernel.openComm('reson.run', { run: this.run }, this.take, () => {
      this.comm = null;
    });
    this.tell(null);
    this.comm?.send({ op: 'snapshot' });
  }

  private async abort(): Promise<void> {
    let text = '';
    try {
      await this.kernel.send('abort', { run: this.run });
    } catch (error) {
      text = `Not aborted: ${error instanceof CommandError ? error.message : String(error)}`;
    }
    this.listeners.forEach(listener => listener({ kind: 'answer', op: 'abort', ok: text === '', text }));
  }

  private readonly take = (content: unknown): void => {
    const { kind, problem } = content as { kind: string; problem: CommandProblem };
    if (kind === 'problem') {
      this.tell(problem);
    } else {
      this.listeners.forEach(listener => listener(content));
    }
  };

  private tell(problem: CommandProblem | null): void {
    this.problem = problem;
    this.onProblem();
  }
}
