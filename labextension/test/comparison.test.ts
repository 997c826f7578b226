import { expect, test } from 'vitest';

import { asCompared, namesOf } from '../src/comparison/compared';
import { tooMuch } from '../src/comparison/limits';

const COMPARED = {
  title: '2 runs compared',
  notes: ['a note'],
  runs: [{ id: 'a-1', label: 'a' }, { id: 'b-1', label: 'b' }],
  rounds: 3,
  lines: [{ name: 'loss', site: 'a-1', rounds: [0, 1], values: [0.5, 0.4] }],
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

test('runs of one label stay two', () => {
  expect([...namesOf([{ id: 'a-1', label: 'a' }, { id: 'b-1', label: 'a' }])]).toEqual([['a-1', '1. a'], ['b-1', '2. a']]);
  expect([...namesOf(COMPARED.runs)]).toEqual([['a-1', 'a'], ['b-1', 'b']]);
});

const row = (columns: number) => Array.from({ length: columns }, () => 'x');
const table = (columns: number, rows: number) => ({ title: 't', header: row(columns), rows: Array.from({ length: rows }, () => row(columns)) });
const line = (points: number) => ({ name: 'loss', site: 'a-1', rounds: Array.from({ length: points }, (_, at) => at), values: row(points) });

test.each([
  ['2000 columns, where 13 are the most', { tables: [table(2_000, 4)] }],
  ['14 columns, where 13 are the most', { tables: [{ title: 't', header: [], rows: [[], row(14)] }] }],
  ['1001 rows, where 1000 are the most', { tables: [table(2, 1_001)] }],
  ['5 tables, where 4 are the most', { tables: Array.from({ length: 5 }, () => table(1, 1)) }],
  ['2401 lines, where 2400 are the most', { lines: Array.from({ length: 2_401 }, () => line(1)) }],
  ['20001 points, where 20000 are the most', { lines: [line(20_001)] }],
  ['13 runs, where 12 are the most', { runs: Array.from({ length: 13 }, () => COMPARED.runs[0]) }],
  ['101 notes, where 100 are the most', { notes: row(101) }]
])('what would keep a page busy is not drawn: %s', (said, parts) => {
  expect(tooMuch({ ...COMPARED, ...parts })).toBe(said);
});

test('as much as the kernel writes is drawn, and what is no comparison is not too much', () => {
  expect(tooMuch({ ...COMPARED, tables: [table(13, 1_000)], lines: Array.from({ length: 2_400 }, () => line(8)) })).toBe('');
  expect([null, 'x', [], { tables: 7, lines: [3], runs: {} }].map(tooMuch)).toEqual(['', '', '', '']);
});
