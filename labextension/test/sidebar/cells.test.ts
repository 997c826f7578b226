import type { NotebookPanel } from '@jupyterlab/notebook';
import { expect, it } from 'vitest';

import { findCell } from '../../src/sidebar/cells';

function cell(id: string, count: number | null, type = 'code') {
  return { model: { id, type, sharedModel: { toJSON: () => ({ execution_count: count }) } } };
}

function panel(...widgets: ReturnType<typeof cell>[]): NotebookPanel {
  return { content: { widgets } } as unknown as NotebookPanel;
}

const one = panel(cell('a', 1), cell('text', 4, 'markdown'), cell('b', 4), cell('new', null));
const two = panel(cell('c', 1), cell('d', 7));

it.each([
  ['b', 'In[1]', 'b'],
  ['d', 'In[7]', 'd'],
  ['', 'In[4]', 'b'],
  ['', 'In [1]', 'a'],
  ['gone', 'In[7]', 'd'],
  ['gone', 'In[9]', undefined],
  ['', '', undefined],
  ['', 'a file', undefined]
])('finds the cell with id %o and label %o: %o', (id, label, found) => {
  expect(findCell([one, two], id, label)?.cell.model.id).toBe(found);
});

it('says which notebook it is in', () => {
  expect(findCell([one, two], 'd', '')?.panel).toBe(two);
});
