import { KernelMessage } from '@jupyterlab/services';
import type { Kernel } from '@jupyterlab/services';

/** A thread of the kernel's that serves this page's comms while a cell runs; kernels before ipykernel 7 have none. */
export class Subshell {
  id: string | null = null;

  constructor(private readonly kernel: Kernel.IKernelConnection) {}

  /**
   * Starts a new one, for it is not known whether the kernel still has the last.
   *
   * Whether a kernel knows subshells it says when it answers first, which is after the cell if it runs one. One that does know them
   * gives a subshell even then, so a kernel that is `occupied` is just asked.
   */
  async start(occupied: boolean): Promise<void> {
    if (this.id !== null) {
      this.kernel.requestDeleteSubshell({ subshell_id: this.id });
      this.forget();
    }
    const started = occupied ? this.ask() : null;
    const known = this.kernel.info.then(() => (this.kernel.supportsSubshells ? (started ?? this.ask()) : null));
    this.id = await (started ? Promise.race([started, known]) : known);
  }

  forget(): void {
    this.id = null;
  }

  // The connection's own method does not even ask a kernel that was never heard.
  private async ask(): Promise<string | null> {
    const { clientId: session, username } = this.kernel;
    const options = { msgType: 'create_subshell_request', channel: 'control', session, username, content: {} } as const;
    const reply = await this.kernel.sendControlMessage(KernelMessage.createMessage(options), true).done;
    return (reply as KernelMessage.ICreateSubshellReplyMsg).content.subshell_id ?? null;
  }
}
