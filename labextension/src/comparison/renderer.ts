import type { IRenderMime } from '@jupyterlab/rendermime';
import { Widget } from '@lumino/widgets';

import { asCompared } from './compared';
import { tooMuch } from './limits';
import { mountComparison } from './view';

export const MIME = 'application/vnd.reson-jupyter.comparison+json';

/** Draws a comparison from the data in the notebook: no kernel is asked for anything. */
class ComparisonWidget extends Widget implements IRenderMime.IRenderer {
  private end: (() => void) | null = null;

  async renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    this.end?.();
    this.end = null;
    const raw = model.data[MIME];
    const excess = tooMuch(raw);
    const compared = excess ? null : asCompared(raw);
    if (compared) {
      this.end = mountComparison(compared, this.node);
    } else {
      this.node.textContent = excess
        ? `This comparison is not drawn: it has ${excess}.`
        : 'This is no comparison of runs that this version can draw.';
    }
  }

  override dispose(): void {
    this.end?.();
    super.dispose();
  }
}

/** It is safe, since all that it makes of the data is text and lines on a canvas. */
export const comparisonFactory: IRenderMime.IRendererFactory = {
  safe: true,
  mimeTypes: [MIME],
  defaultRank: 10,
  createRenderer: () => new ComparisonWidget()
};
