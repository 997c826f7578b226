const KEPT = 'data-lm-suppress-shortcuts';

/**
 * Keeps JupyterLab's shortcuts of plain keys, such as Enter or "0, 0", away from `node`, and hands those with Ctrl, Cmd or Alt on, such as save.
 *
 * JupyterLab takes no key that is pressed where the attribute stands; so one that is handed on is pressed again beside it.
 */
export function keepPlainKeys(node: HTMLElement): void {
  node.setAttribute(KEPT, 'true');
  // On a part of a notebook's output it has to stand as well: those of the notebook are for whatever has the focus in it, and JupyterLab
  // looks at that before it looks at what it is in.
  node.addEventListener('focusin', ({ target }) => (target as Element).setAttribute(KEPT, 'true'));
  node.addEventListener('keydown', event => {
    const { altKey, ctrlKey, defaultPrevented, metaKey } = event;
    if ((altKey || ctrlKey || metaKey) && !defaultPrevented && node.parentElement?.dispatchEvent(new KeyboardEvent('keydown', event)) === false) {
      event.preventDefault();
    }
  });
}
