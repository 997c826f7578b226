/** Which run the sidebar shows for a kernel: it is there again when the page was loaded again. */
export class PinnedRun {
  private readonly key: string;

  constructor(kernelId: string) {
    this.key = `reson-jupyter:run:${kernelId}`;
  }

  // A browser may forbid storage; a reload then only forgets.
  get(): string | null {
    try {
      return sessionStorage.getItem(this.key);
    } catch {
      return null;
    }
  }

  set(run: string | null): void {
    try {
      if (run === null) {
        sessionStorage.removeItem(this.key);
      } else {
        sessionStorage.setItem(this.key, run);
      }
    } catch {
      // see above
    }
  }
}
