import type { State, StateMessage } from './types';

/** The state as the kernel tells it: everything first, then the parts that change. */
export class Folded {
  state: State | null = null;
  private version = 0;

  /** Returns false if something was missed; what is there stays as it is then. */
  take({ version, full, parts }: StateMessage): boolean {
    if (full) {
      this.state = parts as State;
    } else if (this.state && version === this.version + 1) {
      this.state = { ...this.state, ...parts };
    } else {
      return false;
    }
    this.version = version;
    return true;
  }
}
