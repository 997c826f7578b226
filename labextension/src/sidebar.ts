import { Widget } from '@lumino/widgets';

import { resonIcon } from './icon';

const PANEL_CLASS = 'jp-Reson-panel';

/** The Reson sidebar. Nothing is shown here yet, and it says so. */
export class SidebarPanel extends Widget {
  constructor() {
    super();
    this.id = 'reson-sidebar';
    this.addClass(PANEL_CLASS);
    this.title.icon = resonIcon;
    this.title.caption = 'Reson';
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', 'Reson');

    const title = document.createElement('h2');
    title.textContent = 'Reson';
    const load = document.createElement('code');
    load.textContent = '%load_ext reson_jupyter';
    const magic = document.createElement('code');
    magic.textContent = '%reson';
    const text = document.createElement('p');
    text.append(
      'Capturing, configuring and submitting a training job is done in the notebook: run ',
      load,
      ' in a cell, then use the ',
      magic,
      ' magics. This panel has no controls yet.'
    );
    this.node.append(title, text);
  }
}
