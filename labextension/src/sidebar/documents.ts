import type { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import { Panel } from '@lumino/widgets';
import type { Widget } from '@lumino/widgets';

import { asCompared } from '../comparison/compared';
import { MIME as COMPARISON } from '../comparison/renderer';
import type { Document, Json } from './types';

// What JupyterLab allows, and its own variables besides, so that documents are light and dark with the page. Nothing that fetches.
const VALUE = /^(?!.*(?:url|image|expression)\s*\()[\w\s.,#%()+*/-]+$/i;
const PROPERTIES = [
  'align-items background background-color border border-bottom border-bottom-color border-collapse border-color border-left border-left-color',
  'border-radius border-right border-style border-top border-width color cursor display flex flex-wrap font font-family font-size font-style',
  'font-variant-numeric font-weight gap grid-template-columns height justify-content line-height list-style margin margin-bottom margin-left',
  'margin-right margin-top max-height max-width min-height min-width opacity overflow overflow-wrap overflow-x overflow-y padding',
  'padding-bottom padding-left padding-right padding-top tab-size text-align text-decoration vertical-align white-space width word-break'
].flatMap(line => line.split(' '));
const allowedStyles = { '*': Object.fromEntries(PROPERTIES.map(name => [name, [VALUE]])) };

/** Draws a document: a comparison as in a cell, with charts to use, all else as HTML. */
export async function renderDocument(rendermime: IRenderMimeRegistry, { html, comparison }: Document): Promise<Widget> {
  const body = new Panel();
  body.addClass('jp-Reson-document');
  body.addWidget(asCompared(comparison) ? await render(rendermime, COMPARISON, comparison ?? null) : await renderHtml(rendermime, html));
  return body;
}

/** Renders HTML as JupyterLab renders that of notebooks that nobody trusts: no script in it runs. */
async function renderHtml(rendermime: IRenderMimeRegistry, html: string): Promise<Widget> {
  const { sanitizer } = rendermime;
  const styled: IRenderMime.ISanitizer = { sanitize: (dirty, options) => sanitizer.sanitize(dirty, { ...options, allowedStyles }) };
  const safe = rendermime.clone({ sanitizer: styled });
  return render(safe, 'text/html', html);
}

async function render(rendermime: IRenderMimeRegistry, type: string, data: Json): Promise<IRenderMime.IRenderer> {
  const renderer = rendermime.createRenderer(type);
  await renderer.renderModel(rendermime.createModel({ data: { [type]: data }, trusted: false }));
  return renderer;
}
