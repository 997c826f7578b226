/** Keeps JupyterLab's shortcuts of plain keys, such as Enter or "0, 0", away from `node`, and lets those with Ctrl, Cmd or Alt through, such as save. */
export class PlainKeys {
  constructor(private readonly node: HTMLElement) {}

  // On the window, which hears of a key before JupyterLab does: that listens on the document, in the same phase.
  start(): void {
    window.addEventListener('keydown', this.heard, true);
  }

  stop(): void {
    window.removeEventListener('keydown', this.heard, true);
  }

  private readonly heard = ({ ctrlKey, metaKey, altKey }: KeyboardEvent): void => {
    this.node.toggleAttribute('data-lm-suppress-shortcuts', !(ctrlKey || metaKey || altKey));
  };
}
