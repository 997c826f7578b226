import { KernelMessage } from '@jupyterlab/services';
import type { Kernel } from '@jupyterlab/services';
import { UUID } from '@lumino/coreutils';
import type { JSONObject } from '@lumino/coreutils';

/**
 * A comm that this page opens.
 *
 * JupyterLab gives the comms of a kernel to one connection only: of two notebooks with the same kernel, the second has none. This speaks
 * the same messages over whichever connection the notebook has.
 */
export class Comm {
  readonly id = UUID.uuid4();

  constructor(
    private readonly kernel: Kernel.IKernelConnection,
    private readonly target: string,
    /** Where the kernel serves it while a cell runs; null: after the cell. */
    private readonly subshell: string | null,
    private readonly onMessage: (data: unknown) => void,
    /** The kernel has closed it. */
    private readonly onClose: () => void
  ) {}

  open(data: JSONObject): void {
    this.kernel.iopubMessage.connect(this.take, this);
    this.post('comm_open', { comm_id: this.id, target_name: this.target, data });
  }

  send(data: JSONObject): void {
    this.post('comm_msg', { comm_id: this.id, data });
  }

  close(): void {
    this.forget();
    this.post('comm_close', { comm_id: this.id, data: {} });
  }

  /** Hears nothing any more, and tells nobody: for when the kernel's end is gone. */
  forget(): void {
    this.kernel.iopubMessage.disconnect(this.take, this);
  }

  private take(_kernel: unknown, message: KernelMessage.IIOPubMessage): void {
    if (KernelMessage.isCommMsgMsg(message) && message.content.comm_id === this.id) {
      this.onMessage(message.content.data);
    } else if (KernelMessage.isCommCloseMsg(message) && message.content.comm_id === this.id) {
      this.forget();
      this.onClose();
    }
  }

  private post<T extends 'comm_open' | 'comm_msg' | 'comm_close'>(msgType: T, content: JSONObject): void {
    const { clientId: session, isDisposed, status, username } = this.kernel;
    if (!isDisposed && status !== 'dead') {
      const message = KernelMessage.createMessage({
        msgType,
        channel: 'shell',
        session,
        username,
        subshellId: this.subshell,
        content
      } as unknown as KernelMessage.IOptions<KernelMessage.ICommMsgMsg<'shell'>>);
      this.kernel.sendShellMessage(message, false, true);
    }
  }
}
