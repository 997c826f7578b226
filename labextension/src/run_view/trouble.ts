import { element } from './dom';

/** A row of its own below the site's: it can be long, and must be seen where the page is narrow. */
export function trouble(text: string, kind: 'problem' | 'stalled' | 'noted', columns: number): HTMLTableRowElement {
  const row = element('tr', `reson-trouble reson-${kind}`);
  const cell = element('td', '', '', { colspan: String(columns) });
  cell.append(element('div', '', text));
  row.append(cell);
  return row;
}
