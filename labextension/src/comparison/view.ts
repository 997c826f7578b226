import { Charts } from '../run_view/charts';
import { Choices } from '../run_view/choices';
import { siteColor } from '../run_view/colors';
import { element } from '../run_view/dom';
import { History } from '../run_view/history';
import { keepPlainKeys } from '../run_view/keys';
import { namesOf } from './compared';
import type { Compared, Table } from './compared';

/** Draws runs beside each other into `el`; the function that is returned ends that. */
export function mountComparison(compared: Compared, el: HTMLElement): () => void {
  const names = namesOf(compared.runs);
  const root = element('div', 'reson-run reson-comparison', '', { role: 'region', 'aria-label': 'Comparison of runs' });
  keepPlainKeys(root);
  root.append(element('div', 'reson-name', compared.title));
  root.append(...compared.notes.map(note => element('p', 'reson-sentence', note)));
  const history = new History();
  history.add(
    compared.lines.flatMap(line => {
      const name = names.get(line.site ?? '');
      return name === undefined ? [] : [{ ...line, site: name }];
    })
  );
  const charts = new Charts(new Choices(`compare:${compared.runs.map(run => run.id).join()}`));
  root.append(charts.node, ...compared.tables.map(section));
  // In the page before it is drawn: its width decides the drawing.
  el.append(root);
  charts.update({ history, names: [...names.values()], rounds: compared.rounds, done: true, noun: 'run', live: false });
  return () => {
    charts.dispose();
    root.remove();
  };
}

function section(table: Table): HTMLElement {
  const node = element('section', '', '', { 'aria-label': table.title });
  node.append(element('div', 'reson-comparison-title', table.title));
  if (table.rows.length) {
    const scroller = element('div', 'reson-scroller', '', { tabindex: '0', role: 'group', 'aria-label': table.title });
    scroller.append(drawn(table));
    node.append(scroller);
  }
  return node;
}

function drawn({ header, rows }: Table): HTMLTableElement {
  const table = element('table', 'reson-table');
  const head = element('tr');
  head.append(...header.map((text, at) => (at ? runHeader(text, at - 1) : element('td'))));
  const body = element('tbody');
  body.append(
    ...rows.map(([name = '', ...values]) => {
      const row = element('tr');
      row.append(element('th', '', name, { scope: 'row' }), ...values.map(value => element('td', 'reson-number', value)));
      return row;
    })
  );
  const top = element('thead');
  top.append(head);
  table.append(top, body);
  return table;
}

function runHeader(label: string, index: number): HTMLTableCellElement {
  const cell = element('th', 'reson-site-name', '', { scope: 'col' });
  const swatch = element('span', 'reson-swatch', '', { 'aria-hidden': 'true' });
  swatch.style.background = siteColor(index);
  cell.append(swatch, label);
  return cell;
}
