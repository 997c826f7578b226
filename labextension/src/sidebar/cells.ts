import type { NotebookPanel } from '@jupyterlab/notebook';

type Cell = NotebookPanel['content']['widgets'][number];

const FLASH_CLASS = 'jp-Reson-flash';
const FLASH_MS = 1500;

export interface Found {
  panel: NotebookPanel;
  cell: Cell;
}

/** The cell with this id, or else the one that ran with the number in its label, such as "In[4]"; null if it is gone. */
export function findCell(panels: NotebookPanel[], id: string, label: string): Found | null {
  const cells = panels.flatMap(panel => panel.content.widgets.map(cell => ({ panel, cell })));
  const count = Number(/^In ?\[(\d+)\]$/.exec(label)?.[1]);
  return (
    cells.find(({ cell }) => id !== '' && cell.model.id === id) ??
    cells.find(({ cell }) => cell.model.type === 'code' && cell.model.sharedModel.toJSON()['execution_count'] === count) ??
    null
  );
}

/** Scrolls to a cell, makes it the active one, and lets it flash. */
export async function goTo({ panel, cell }: Found): Promise<void> {
  const { content } = panel;
  content.activeCellIndex = content.widgets.indexOf(cell);
  content.deselectAll();
  content.mode = 'command';
  await content.scrollToCell(cell, 'center');
  cell.addClass(FLASH_CLASS);
  setTimeout(() => cell.removeClass(FLASH_CLASS), FLASH_MS);
}
