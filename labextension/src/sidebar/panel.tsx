import { ReactWidget } from '@jupyterlab/ui-components';
import type { Message } from '@lumino/messaging';
import { SplitPanel } from '@lumino/widgets';
import React from 'react';

import { resonIcon } from '../icon';
import { keepPlainKeys } from '../run_view/keys';
import type { PageActions } from './actions';
import { Face } from './face';
import type { Kernels } from './kernels';
import type { KernelLink } from './link';
import { PinnedRun } from './pinned_run';
import { RunPane } from './run_pane';

// Of the sidebar's height: on a small screen, too, what stands in the way, the buttons and some of the forms stay in sight.
const SHARES = [1, 1];

/** The Reson sidebar: what the kernel tells, and below it the run that is pinned for this kernel. */
export class SidebarPanel extends SplitPanel {
  private readonly face: FaceWidget;
  private readonly pinned = new WeakMap<KernelLink, RunPane>();

  constructor(
    private readonly kernels: Kernels,
    page: PageActions,
    /** Shows a run in a tab; null where pages have no tabs. */
    private readonly openAsTab: ((link: KernelLink, run: string) => void) | null
  ) {
    super({ orientation: 'vertical', spacing: 5 });
    this.id = 'reson-sidebar';
    this.addClass('jp-Reson-panel');
    this.title.icon = resonIcon;
    this.title.caption = 'Reson';
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', 'Reson');
    this.node.tabIndex = -1;
    keepPlainKeys(this.node);
    this.face = new FaceWidget(kernels, page);
    this.addWidget(this.face);
    kernels.changed.connect(this.follow, this);
  }

  /** Shows the live view of a run, in the place of the one that was there. */
  pin(run: string): void {
    const { link, kernel } = this.kernels;
    if (link && kernel) {
      this.open(link, new PinnedRun(kernel.id), run);
      this.follow();
    }
  }

  protected override onActivateRequest(message: Message): void {
    super.onActivateRequest(message);
    this.node.focus();
  }

  private open(link: KernelLink, remembered: PinnedRun, run: string): void {
    this.pinned.get(link)?.dispose();
    const { openAsTab } = this;
    const pane = new RunPane(link, run, {
      close: () => {
        remembered.set(null);
        this.pinned.delete(link);
        pane.dispose();
      },
      ...(openAsTab && { openAsTab: () => openAsTab(link, run) })
    });
    remembered.set(run);
    this.pinned.set(link, pane);
  }

  private follow(): void {
    const { link, kernel, status } = this.kernels;
    if (link && kernel && status === 'ready' && !this.pinned.has(link)) {
      const remembered = new PinnedRun(kernel.id);
      const run = remembered.get();
      if (run) {
        this.open(link, remembered, run);
      }
    }
    const pane = (link && this.pinned.get(link)) ?? null;
    for (const widget of this.widgets.slice()) {
      if (widget !== this.face && widget !== pane) {
        widget.parent = null;
      }
    }
    if (pane && !pane.parent) {
      this.addWidget(pane);
      this.setRelativeSizes(SHARES);
    }
  }
}

class FaceWidget extends ReactWidget {
  private number = 0;
  private last: KernelLink | null = null;

  constructor(
    private readonly kernels: Kernels,
    private readonly page: PageActions
  ) {
    super();
    this.addClass('jp-Reson-face');
    kernels.changed.connect(this.update, this);
  }

  protected override render(): React.JSX.Element {
    if (this.last !== this.kernels.link) {
      this.last = this.kernels.link;
      this.number += 1;
    }
    return <Face kernels={this.kernels} page={this.page} linkNumber={this.number} />;
  }
}
