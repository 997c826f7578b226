/** Told apart by colour-blind readers, and readable on white and on near-black. */
const LINES = ['#4e79a7', '#f28e2b', '#59a14f', '#e15759', '#b07aa1', '#3aa6a0', '#c9a227', '#9c755f'];

export function siteColor(index: number): string {
  return LINES[index % LINES.length] ?? '#888888';
}

/** A colour of Jupyter's theme as the canvas needs it. */
export function themeColor(node: HTMLElement, variable: string, fallback: string): string {
  return getComputedStyle(node).getPropertyValue(variable).trim() || fallback;
}

/** Calls back when Jupyter's theme changes. */
export function onThemeChange(callback: () => void): () => void {
  const observer = new MutationObserver(callback);
  observer.observe(document.body, { attributes: true, attributeFilter: ['data-jp-theme-name', 'data-jp-theme-light', 'class'] });
  return () => observer.disconnect();
}
