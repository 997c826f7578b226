import { element } from './dom';
import type { FailureCard, Failures, Step } from './types';

/** The cards of the errors: one line each while the run goes on, open when it is over. */
export class FailureList {
  readonly node = element('section', 'reson-failures', '', { 'aria-label': 'Errors' });
  private shown = '';

  update(failures: Failures, done: boolean): void {
    this.node.hidden = !failures.cards.length;
    const wanted = JSON.stringify([failures, done]);
    // A card that the reader opened or closed stays so while nothing new is known.
    if (wanted !== this.shown) {
      this.shown = wanted;
      const { cards, more } = failures;
      const rest = `and ${more} more ${more === 1 ? 'error' : 'errors'}: run.errors() has all of them`;
      this.node.replaceChildren(...cards.map(entry => card(entry, done)), ...(more ? [element('p', 'reson-note', rest)] : []));
    }
  }
}

function card({ who, headline, message, steps, cause, fix, traceback }: FailureCard, open: boolean): HTMLElement {
  const node = element('details', 'reson-failure');
  node.open = open;
  const summary = element('summary', 'reson-failure-headline');
  summary.append(element('span', 'reson-failure-who', who ? `${who}: ` : ''), element('strong', '', headline));
  node.append(summary);
  if (message) {
    node.append(element('p', 'reson-failure-message', message));
  }
  node.append(...steps.flatMap(call), advice({ cause, fix }));
  if (traceback) {
    node.append(folded('Whole traceback', traceback));
  }
  return node;
}

function call({ title, lines, folded: text }: Step): HTMLElement[] {
  if (text) {
    return [folded(title, text)];
  }
  const width = String(lines.at(-1)?.[0] ?? '').length;
  const source = element('pre', 'reson-source');
  for (const [number, line, marked] of lines) {
    source.append(element('span', marked ? 'reson-marked' : '', `${marked ? '>' : ' '} ${String(number).padStart(width)} | ${line}`), '\n');
  }
  return [...(title ? [element('div', '', title)] : []), ...(lines.length ? [source] : [])];
}

function advice(known: Record<string, string>): HTMLElement {
  const list = element('dl', 'reson-advice');
  for (const [label, text] of Object.entries(known).filter(([, text]) => text)) {
    list.append(element('dt', '', label), element('dd', '', text));
  }
  return list;
}

function folded(title: string, text: string): HTMLElement {
  const node = element('details');
  node.append(element('summary', '', title), element('pre', 'reson-source', text));
  return node;
}
