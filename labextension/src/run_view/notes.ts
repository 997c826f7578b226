import { element, setText } from './dom';
import { linked } from './links';

/** What nobody should miss of how the job was made, and where the run can be looked at elsewhere. */
export class Notices {
  readonly node = element('div', 'reson-notices');
  private shown = '';

  update(warnings: string[], links: string[]): void {
    this.node.hidden = !warnings.length && !links.length;
    const wanted = JSON.stringify([warnings, links]);
    // Written anew only when they change, so that a link keeps the focus.
    if (wanted !== this.shown) {
      this.shown = wanted;
      this.node.replaceChildren(...warnings.map(text => paragraph('reson-warning', text)), ...links.map(text => paragraph('reson-note', text)));
    }
  }
}

/** How the job was made, for whoever wants to know. */
export class Notes {
  readonly node = element('details', 'reson-notes');
  private readonly summary = element('summary');
  private readonly list = element('ul');
  private shown = '';

  constructor() {
    this.node.append(this.summary, this.list);
  }

  update(notes: string[]): void {
    this.node.hidden = !notes.length;
    setText(this.summary, `How the job was made (${notes.length === 1 ? '1 note' : `${notes.length} notes`})`);
    if (JSON.stringify(notes) !== this.shown) {
      this.shown = JSON.stringify(notes);
      this.list.replaceChildren(...notes.map(entry));
    }
  }
}

function paragraph(className: string, text: string): HTMLElement {
  const node = element('p', className);
  node.append(...linked(text));
  return node;
}

function entry(text: string): HTMLElement {
  const item = element('li');
  item.append(...linked(text));
  return item;
}
