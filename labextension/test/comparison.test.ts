import { expect, test } from 'vitest';

import { asCompared } from '../src/comparison/compared';

const COMPARED = {
  title: '2 runs compared',
  notes: ['a note'],
  runs: [{ id: 'a-1', label: 'a' }, { id: 'b-1', label: 'b' }],
  rounds: 3,
  lines: [{ name: 'loss', site: 'a', rounds: [0, 1], values: [0.5, 0.4] }],
  tables: [{ title: 'What came of them', header: ['', 'a', 'b'], rows: [['loss', '0.4', '–']] }]
};

test('a comparison is taken as the kernel wrote it', () => {
  expect(asCompared(COMPARED)).toEqual(COMPARED);
});

test.each([
  ['nothing', null],
  ['text', 'comparison'],
  ['a list', [COMPARED]],
  ['no runs', { ...COMPARED, runs: undefined }],
  ['runs that are none', { ...COMPARED, runs: 'a' }],
  ['tables that are none', { ...COMPARED, tables: { title: 'x' } }],
  ['rounds that cannot be', { ...COMPARED, rounds: -1 }]
])('what is no comparison is refused: %s', (_, value) => {
  expect(asCompared(value)).toBeNull();
});

test('parts that are not as they must be are left out', () => {
  const damaged = { ...COMPARED, runs: [{ id: 3 }, ...COMPARED.runs], notes: [7, 'a note'] };
  expect(asCompared(damaged)).toEqual(COMPARED);
});
