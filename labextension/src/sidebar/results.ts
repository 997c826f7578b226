import type { ICodeCellModel } from '@jupyterlab/cells';
import type { NotebookPanel } from '@jupyterlab/notebook';
import type { IOutputAreaModel } from '@jupyterlab/outputarea';

import { isRecord } from '../run_view/checks';
import type { CommandSender } from './commands';
import type { Json } from './types';

const WIDGET_VIEW = 'application/vnd.jupyter.widget-view+json';
const KEPT = ['text/html', 'text/plain'];

/** An output with the view of a widget. */
interface Place {
  model: string;
  outputs: IOutputAreaModel;
  index: number;
}

/**
 * Puts what a run came to in the place of its live view, where the page missed it: after a reload a page no longer knows which
 * output the kernel means, and the notebook would be saved with a view that nobody can open again.
 */
export class ResultKeeper {
  constructor(private readonly notebooks: () => Iterable<NotebookPanel>) {}

  /** Looks for the views of these widgets in the notebooks of a kernel; only what is missed there is asked for. */
  async take(kernelId: string, models: string[], sender: CommandSender): Promise<void> {
    const panels = [...this.notebooks()].filter(panel => panel.sessionContext.session?.kernel?.id === kernelId);
    await Promise.all(panels.map(panel => panel.context.ready));
    const missed = new Set(panels.flatMap(panel => places(panel, models)).map(place => place.model));
    for (const model of missed) {
      // A kernel that is gone, or that has no longer what is asked for: the view stays as it is.
      const bundle = await sender.send('result', { model }).catch(() => null);
      // Looked for once more: cells may have been run meanwhile.
      for (const place of panels.flatMap(panel => places(panel, [model]))) {
        put(place, bundle);
      }
    }
  }
}

function places(panel: NotebookPanel, models: string[]): Place[] {
  const found: Place[] = [];
  for (const cell of panel.isDisposed ? [] : (panel.model?.cells ?? [])) {
    if (cell.type === 'code') {
      const { outputs } = cell as ICodeCellModel;
      for (let index = 0; index < outputs.length; index += 1) {
        const view = outputs.get(index).data[WIDGET_VIEW];
        const model = isRecord(view) ? view['model_id'] : undefined;
        if (typeof model === 'string' && models.includes(model)) {
          found.push({ model, outputs, index });
        }
      }
    }
  }
  return found;
}

function put({ outputs, index }: Place, bundle: Json): void {
  const output = outputs.get(index).toJSON();
  if (isRecord(bundle)) {
    const data = Object.fromEntries(KEPT.flatMap(mime => (typeof bundle[mime] === 'string' ? [[mime, bundle[mime]]] : [])));
    outputs.set(index, { ...output, data, metadata: {} });
  }
}
