/** Told apart by colour-blind readers, and readable on white and on near-black. */
const LINES = ['#4e79a7', '#f28e2b', '#59a14f', '#e15759', '#b07aa1', '#3aa6a0', '#c9a227', '#9c755f'];

export function siteColor(index: number): string {
  return LINES[index % LINES.length] ?? '#888888';
}

/** Colours of Jupyter's theme as the canvas needs them, read once: to read one makes the browser lay out the page. */
export class ThemeColors {
  private readonly known = new Map<string, string>();

  constructor(private readonly node: HTMLElement) {}

  color(variable: string, fallback: string): string {
    const color = this.known.get(variable) ?? getComputedStyle(this.node).getPropertyValue(variable).trim();
    // A node that is not in the page yet has none.
    if (color) {
      this.known.set(variable, color);
    }
    return color || fallback;
  }

  forget(): void {
    this.known.clear();
  }
}

/** Calls back when Jupyter's theme changes. */
export function onThemeChange(callback: () => void): () => void {
  const observer = new MutationObserver(callback);
  observer.observe(document.body, { attributes: true, attributeFilter: ['data-jp-theme-name', 'data-jp-theme-light', 'class'] });
  return () => observer.disconnect();
}
