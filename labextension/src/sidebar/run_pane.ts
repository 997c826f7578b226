import type { Message } from '@lumino/messaging';
import { Widget } from '@lumino/widgets';

import { element, setText } from '../run_view/dom';
import { Link } from '../run_view/link';
import { mount } from '../run_view/view';
import type { KernelLink } from './link';
import { reasonFor } from './reasons';
import { RunChannel } from './run_channel';

export interface RunActions {
  /** Takes the run out of the sidebar. */
  close?: () => void;
  /** Shows it in a tab of its own; there is none where pages have no tabs. */
  openAsTab?: () => void;
}

/** The live view of one run, without a widget: nothing of it lands in a notebook. */
export class RunPane extends Widget {
  private readonly channel: RunChannel;
  private readonly view: Link;
  private readonly notice = element('p', 'jp-Reson-notice', '', { role: 'status' });
  private readonly body = element('div', 'jp-Reson-run-body');
  private unmount: (() => void) | null = null;

  constructor(
    private readonly kernel: KernelLink,
    readonly run: string,
    actions: RunActions = {}
  ) {
    super();
    this.addClass('jp-Reson-run');
    this.channel = new RunChannel(kernel, run, () => this.update());
    this.view = new Link(this.channel);
    this.node.append(bar(run, actions), this.notice, this.body);
    kernel.changed.connect(this.update, this);
    kernel.opened.connect(this.update, this);
  }

  override dispose(): void {
    if (!this.isDisposed) {
      this.kernel.changed.disconnect(this.update, this);
      this.unmount?.();
      this.view.dispose();
      this.channel.dispose();
      super.dispose();
    }
  }

  // Charts are drawn to the size of what is on the page.
  protected override onAfterAttach(message: Message): void {
    super.onAfterAttach(message);
    this.unmount ??= mount(this.view, this.body);
    this.update();
  }

  protected override onUpdateRequest(message: Message): void {
    super.onUpdateRequest(message);
    const { problem } = this.channel;
    const { text } = reasonFor(this.kernel.status);
    setText(this.notice, problem ? `${problem.message} ${problem.hint}`.trim() : text && `${text} This is the last that was heard of the run.`);
    this.notice.hidden = this.notice.textContent === '';
  }
}

function bar(run: string, { close, openAsTab }: RunActions): HTMLElement {
  const node = element('div', 'jp-Reson-run-bar');
  node.append(element('h3', '', run));
  for (const [label, act] of [['Open as tab', openAsTab], ['Close', close]] as const) {
    if (act) {
      const button = element('button', 'reson-button', label, { type: 'button', 'aria-label': `${label}: ${run}` });
      button.addEventListener('click', act);
      node.append(button);
    }
  }
  return node;
}
