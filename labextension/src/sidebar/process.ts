import { KernelMessage } from '@jupyterlab/services';

/** What the kernel itself says it does; "restarting" and "dead" are words of the server's. */
const OWN_WORDS = new Set<string>(['starting', 'idle', 'busy']);

/**
 * Which process of a kernel is heard.
 *
 * A page that did not ask for a restart may miss that the new process says "starting", for its connection is made again meanwhile. But
 * each process signs what it says with a session of its own.
 */
export class KernelProcess {
  private session = '';

  /** Whether this message is the first that is heard of another process. */
  isAnother(message: KernelMessage.IIOPubMessage): boolean {
    if (!KernelMessage.isStatusMsg(message) || !OWN_WORDS.has(message.content.execution_state)) {
      return false;
    }
    const before = this.session;
    this.session = message.header.session;
    return before !== '' && before !== this.session;
  }

  /** It is known that the next is another. */
  forget(): void {
    this.session = '';
  }
}
