// @vitest-environment happy-dom
import { expect, it } from 'vitest';

import { EnvironmentTable } from '../src/run_view/environments';
import { Header } from '../src/run_view/header';
import type { Link } from '../src/run_view/link';
import { linked } from '../src/run_view/links';
import { RunModel } from '../src/run_view/state';
import type { Environments, RunInfo } from '../src/run_view/types';

const HOSTILE = '<img src=x onerror="window.__x=1"></script>';
const SOUND: Environments = {
  summary: '2 sites prepared: Python 3.11',
  wrong: false,
  columns: ['Python', 'Data'],
  rows: [
    { site: 'a', cells: [['3.11.9', false], ['shard a.zip', false]], problems: [], notes: [] },
    { site: 'b', cells: [['3.11.2', false], ['shard b.zip', false]], problems: [], notes: ['its disk is slow'] }
  ]
};
const WRONG: Environments = {
  ...SOUND,
  summary: '2 sites prepared, 1 cannot train',
  wrong: true,
  rows: [SOUND.rows[0]!, { site: 'b', cells: [['3.12.1', true], ['none', true]], problems: ['no data', 'no torch'], notes: [] }]
};

const details = (table: EnvironmentTable) => table.node.querySelector('details')!;
const tableOf = (...told: (Environments | null)[]) => {
  const table = new EnvironmentTable();
  told.forEach(environments => table.update(environments));
  return table;
};

it('nothing is shown before a site has said what it has', () => {
  expect(tableOf(null).node.hidden).toBe(true);
  expect(tableOf(null, SOUND).node.hidden).toBe(false);
});

it('sites that are sound and alike are one closed line', () => {
  const table = tableOf(SOUND);
  expect(details(table).open).toBe(false);
  expect(table.node.querySelector('summary')?.textContent).toBe('2 sites prepared: Python 3.11');
  expect(table.node.querySelectorAll('mark')).toHaveLength(0);
  expect([...table.node.querySelectorAll('thead th')].map(cell => cell.textContent)).toEqual(['Site', 'Python', 'Data']);
  expect(table.node.querySelector('.reson-noted')?.textContent).toBe('its disk is slow');
});

it('what is wrong opens the table, stands out, and is told with the site named', () => {
  const table = tableOf(SOUND, WRONG);
  expect(details(table).open).toBe(true);
  expect([...table.node.querySelectorAll('mark')].map(mark => mark.textContent)).toEqual(['3.12.1', 'none']);
  expect([...table.node.querySelectorAll('.reson-problem')].map(row => row.textContent)).toEqual([
    'b cannot train: no data',
    'b cannot train: no torch'
  ]);
});

it('a table stays as the reader left it while nothing new is wrong', () => {
  const table = tableOf(WRONG);
  details(table).open = false;
  table.update({ ...WRONG, summary: '3 sites prepared, 1 cannot train' });
  expect(details(table).open).toBe(false);
  const opened = tableOf(SOUND);
  details(opened).open = true;
  const rows = opened.node.querySelector('table');
  opened.update(structuredClone(SOUND));
  expect(opened.node.querySelector('table')).toBe(rows);
  opened.update({ ...SOUND, summary: '3 sites prepared' });
  expect(details(opened).open).toBe(true);
});

it('hostile values are text', () => {
  const row = { site: HOSTILE, cells: [[HOSTILE, true]] as [string, boolean][], problems: [HOSTILE], notes: [HOSTILE] };
  const table = tableOf({ summary: HOSTILE, wrong: true, columns: [HOSTILE], rows: [row] });
  expect(table.node.querySelector('img, script')).toBeNull();
  expect(table.node.textContent?.split(HOSTILE)).toHaveLength(8);
});

it('a long value may take several lines', () => {
  const path = '/srv/very/long/path/to/the/images/of/clinic';
  const table = tableOf({ ...SOUND, rows: [{ site: 'a', cells: [['3.11', false], [path, false]], problems: [], notes: [] }] });
  expect(table.node.querySelector('.reson-long')?.textContent).toBe(path);
});

it('the model has what the newest message tells, and forgets it with a full one', () => {
  const model = new RunModel();
  model.apply({ clock: 1, message: { version: 1, full: true, environments: null } });
  model.apply({ clock: 1, message: { version: 2, full: false, environments: SOUND } });
  model.apply({ clock: 1, message: { version: 3, full: false } });
  expect(model.environments).toEqual(SOUND);
  model.apply({ clock: 1, message: { version: 4, full: true } });
  expect(model.environments).toBeNull();
});

function headerOf(run: Partial<RunInfo>): HTMLElement {
  const model = new RunModel();
  model.apply({ clock: 1, message: { version: 1, full: true, run: { state: 'running', ...run } } });
  const header = new Header({ model, live: true, gone: false, answer: null, quiet: 0, now: 1 } as unknown as Link);
  header.update();
  return header.node;
}

it('the head says where the run is, and that its first round is still to come', () => {
  const head = headerOf({ target: 'flare', place: 'fl.example.org:8002', id: 'd-1', rounds: 3, preparing: true });
  expect(head.textContent).toContain('on flare, fl.example.org:8002 · d-1');
  expect(head.textContent).toContain('Before round 1 of 3');
  const local = headerOf({ target: 'local', id: 'd-1', rounds: 3 });
  expect(local.textContent).toContain('on local · d-1');
  expect(local.textContent).toContain('Round 1 of 3');
});

it('an address in a note is a link that leads where its text says', () => {
  const [link] = headerOf({ links: ['see https://app.example.org/jobs/1?a=b.', HOSTILE] }).querySelectorAll('a');
  expect([link?.href, link?.rel, link?.target]).toEqual(['https://app.example.org/jobs/1?a=b', 'noopener noreferrer', '_blank']);
});

it.each([
  ['https://good.org@evil.org/x', ['https://good.org']],
  ['https://good.org\\@evil.org', ['https://good.org']],
  ['https://a.org/\u202egro.live', ['https://a.org/']],
  ['https://\u0430pple.com ftp://a.org javascript:alert(1) //a.org data:text/html,x', []],
  ['https://a.org/"><img src=x>', ['https://a.org/']],
  ['(http://127.0.0.1:8080/a), https://a.org.', ['http://127.0.0.1:8080/a', 'https://a.org']]
])('%s has the links %j', (text, links) => {
  const parts = linked(text);
  const nodes = parts.filter(part => typeof part !== 'string') as HTMLAnchorElement[];
  expect(nodes.map(node => node.getAttribute('href'))).toEqual(links);
  expect(parts.map(part => (typeof part === 'string' ? part : part.textContent)).join('')).toBe(text);
});
