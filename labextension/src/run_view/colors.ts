/** Told apart by colour-blind readers, and readable on white and on near-black. */
const LINES = ['#4e79a7', '#f28e2b', '#59a14f', '#e15759', '#b07aa1', '#3aa6a0', '#c9a227', '#9c755f'];

export function siteColor(index: number): string {
  return LINES[index % LINES.length] ?? '#888888';
}

/** Those of the picture that `make_shards` and `check_shards` show (data/balance.py): matplotlib's tab10, and tab20 where there are more classes. */
const TEN = ['#1f77b4', '#ff7f0e', '#2ca02c', '#d62728', '#9467bd', '#8c564b', '#e377c2', '#7f7f7f', '#bcbd22', '#17becf'];
const PALE = ['#aec7e8', '#ffbb78', '#98df8a', '#ff9896', '#c5b0d5', '#c49c94', '#f7b6d2', '#c7c7c7', '#dbdb8d', '#9edae5'];
const TWENTY = TEN.flatMap((color, index) => [color, PALE[index] ?? color]);

/** The colour of one of `count` classes; what comes after the last one is all others. */
export function classColor(index: number, count: number): string {
  const colors = count <= TEN.length ? TEN : TWENTY;
  return colors[index] ?? '#888888';
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
