// @vitest-environment happy-dom
import React from 'react';
import { beforeEach, expect, it } from 'vitest';

import { CommandError } from '../../src/sidebar/commands';
import { Sections } from '../../src/sidebar/sections';
import { age } from '../../src/sidebar/sections/run_row';
import type { CaptureRow, State } from '../../src/sidebar/types';
import { FakeKernel, FakePage, HOSTILE, madeUpRun, madeUpState } from './fixture';
import { Screen } from './screen';

let kernel: FakeKernel;
let page: FakePage;

beforeEach(() => {
  kernel = new FakeKernel();
  page = new FakePage();
});

const shown = (state: State) => <Sections state={state} link={kernel} page={page} />;
const screenOf = (change: Partial<State> = {}) => new Screen(shown({ ...madeUpState(), ...change }));
const ops = () => kernel.asked.map(({ op, args }) => [op, args]);
const free = { check: [], preview: [], submit: [] };
const ready = { submit: { obstacles: free, activity: null } };
const group = (screen: Screen) => screen.node.querySelector('[role=group][aria-label=Run]')!;

it('the sections stand in the order in which somebody new needs them', () => {
  const titles = [...screenOf().node.querySelectorAll('h3 .jp-Reson-sectionTitle')].map(title => title.textContent);
  expect(titles).toEqual(['Captured', 'Data', 'Training', 'Federation', 'Model', 'Target & storage', 'Run']);
});

it('a section that was closed stays closed in this browser', async () => {
  const section = (screen: Screen) => screen.node.querySelector<HTMLButtonElement>('#reson-section-training')!;
  const first = screenOf();
  expect(section(first).getAttribute('aria-expanded')).toBe('true');
  await first.hear(() => section(first).click());
  first.show(<></>);
  const second = screenOf();
  expect(section(second).getAttribute('aria-expanded')).toBe('false');
  expect(second.node.querySelector<HTMLElement>('#reson-content-training')!.hidden).toBe(true);
});

it('a capture leads to its cell and can be forgotten', () => {
  const screen = screenOf();
  screen.click('In[4]');
  expect(page.shown).toEqual([['cell', 'cell-4', 'In[4]']]);
  screen.click('Forget: Model');
  expect(ops()).toEqual([['forget', { key: 'model' }]]);
});

it('a project stands there with its folder and no cell, and can be forgotten', () => {
  const project: CaptureRow = {
    key: 'project', role: 'project', name: 'mnist', cell: '', cell_id: '', lines: 0, size: '/home/me/mnist',
    checks: [{ level: 'ok', text: 'seed: build.py' }]
  };
  const screen = screenOf({ captures: [project] });
  const captured = screen.node.querySelector('.jp-Reson-capture')!;
  expect(captured.querySelector('.jp-Reson-role')!.textContent).toBe('Project');
  expect(captured.querySelector('.jp-Reson-facts')!.textContent).toBe('/home/me/mnist');
  expect(captured.querySelector('.jp-Reson-link')).toBeNull();
  screen.click('Forget: Project');
  expect(ops()).toEqual([['forget', { key: 'project' }]]);
});

it('what is not captured says what a run takes instead, and what captures one', () => {
  const text = screenOf().node.textContent;
  expect(text).toContain('Default executor. Capture one with %%reson_executor.');
});

it('a cell that was refused stands there with its reason, and marks its section', () => {
  const screen = screenOf();
  expect(screen.node.textContent).toContain("The cell needs 'helper'");
  expect(screen.node.querySelector('#reson-section-captured .jp-Reson-mark')?.getAttribute('data-tone')).toBe('error');
});

it('a capture whose cell is refused when it is captured anew leads to its own cell, and the refusal to the other', () => {
  const check = { level: 'error' as const, text: "Net needs 'F'", cell: 'In[8]', cell_id: 'cell-8' };
  const [model] = madeUpState().captures;
  const screen = screenOf({ captures: [{ ...model!, checks: [check] }] });
  expect(screen.node.querySelector('.jp-Reson-facts')!.textContent).toContain('In[4]');
  expect(screen.node.querySelector('.jp-Reson-check')!.textContent).toBe("errorIn[8] could not be captured:Net needs 'F'");
  screen.click('In[4]');
  screen.click('In[8]');
  expect(page.shown).toEqual([['cell', 'cell-4', 'In[4]'], ['cell', 'cell-8', 'In[8]']]);
});

it('several commands are told apart', () => {
  const command: CaptureRow = {
    key: 'command evaluate', role: 'command', name: 'evaluate', cell: 'In[7]', cell_id: '', lines: 3, size: '', checks: []
  };
  const screen = screenOf({ captures: [command, { ...command, key: 'command export', name: 'export' }] });
  screen.click('Forget: Command export');
  expect(ops()).toEqual([['forget', { key: 'command export' }]]);
});

it('what stands in the way of an action is said beside it, and belongs to its button', () => {
  const screen = screenOf();
  const submit = screen.button('Submit');
  expect([submit.getAttribute('aria-disabled'), screen.button('Check').getAttribute('aria-disabled')]).toEqual(['true', 'false']);
  const ids = (submit.getAttribute('aria-describedby') ?? '').split(' ');
  const said = ids.map(id => screen.node.querySelector(`#${id}`)?.textContent).join('');
  expect(said).toBe('Submit: No shards are configured: set shards_dir.');
  screen.click('Submit');
  expect(ops()).toEqual([]);
});

it('a sentence that stands in the way of all is said once', () => {
  const all = ['The model is missing.'];
  const screen = screenOf({ submit: { obstacles: { check: all, preview: all, submit: all }, activity: null } });
  expect(screen.node.querySelector('#reson-obstacles')?.textContent).toBe('The model is missing.');
});

it('a submit opens the live view of its run', async () => {
  const screen = screenOf(ready);
  screen.click('Submit');
  screen.click('Submit');
  expect(ops()).toEqual([['submit', {}]]);
  await screen.hear(() => kernel.last.answer({ run: 'digits-1' }));
  expect([page.shown, group(screen).textContent]).toEqual([[['run', 'digits-1']], 'doneSubmitted.CheckPreviewSubmit']);
});

it('a preview is shown at once, a check where somebody asks for it', async () => {
  const screen = screenOf(ready);
  const doc = { title: 'Check', html: '<p>fine</p>' };
  screen.click('Check');
  await screen.hear(() => kernel.last.answer(doc));
  expect(page.shown).toEqual([]);
  screen.click('Details');
  screen.click('Preview');
  await screen.hear(() => kernel.last.answer({ title: 'Preview', html: '' }));
  expect(page.shown).toEqual([['document', doc], ['document', { title: 'Preview', html: '' }]]);
});

it('a refused action says why, what to do, and has its card behind a button', async () => {
  const screen = screenOf(ready);
  screen.click('Check');
  const problem = { message: 'The model does not run.', hint: 'Make it 64 wide.', fields: {}, html: '<b>card</b>' };
  await screen.hear(() => kernel.last.refuse(new CommandError(problem)));
  expect(screen.alerts).toContain('errorThe model does not run.Make it 64 wide.Details');
  expect(screen.node.querySelector('.jp-Reson-actions b')).toBeNull();
  screen.click('Details');
  expect(page.shown).toEqual([['document', { title: 'Check: what is wrong', html: '<b>card</b>' }]]);
  screen.click('Dismiss');
  expect(screen.alerts.join()).not.toContain('The model does not run.');
});

it('while something goes on it is told, and nothing else can be started', () => {
  const activity = { action: 'check' as const, note: 'training one step', since: Date.now() / 1000 - 5 };
  const screen = screenOf({ submit: { obstacles: free, activity } });
  expect(screen.node.querySelector('#reson-doing')?.textContent).toBe('Checking: training one step');
  for (const label of ['Check', 'Preview', 'Submit', 'Check shards']) {
    screen.click(label);
  }
  expect(ops()).toEqual([]);
});

it('shards are looked at on demand; why that was not possible is said there', async () => {
  const screen = screenOf();
  screen.click('Check shards');
  await screen.hear(() => kernel.last.refuse(CommandError.because('There is no folder ./shards.')));
  expect([ops(), screen.alerts]).toEqual([[['check_shards', {}]], ["There is no folder ./shards."]]);
});

it('of a folder that nobody looked at yet it is said that it is not checked', () => {
  const text = (change: Partial<State>) => screenOf(change).node.textContent;
  const data = { ...madeUpState().data, folder: '' };
  expect(text({})).not.toContain('Not checked yet');
  expect(text({ data })).toContain('Not checked yet: Check shards says');
  const activity = { action: 'check_shards' as const, note: '', since: 0 };
  expect(text({ data, submit: { obstacles: free, activity } })).not.toContain('Not checked yet');
  const forms = madeUpState().forms.map(form => (form.id === 'data' ? { ...form, values: { shards_dir: '' } } : form));
  expect(text({ data, forms })).not.toContain('Not checked yet');
});

it('the bars are a table, too', () => {
  const rows = [...screenOf().node.querySelectorAll('.jp-Reson-figure tr')].map(row => [...row.children].map(cell => cell.textContent));
  expect(rows[0]).toEqual(['Site', 'zero', 'one', 'two', 'All']);
  expect(rows[2]).toEqual(['site-2', '1,000', '150', '50', '1,200']);
});

it('a folder that changed since somebody looked is to be looked at again', () => {
  const { data } = madeUpState();
  expect(screenOf().node.textContent).not.toContain('changed since');
  expect(screenOf({ data: { ...data, changed: true } }).node.textContent).toContain('The folder has changed since; check again.');
});

it('classes stand in the order of their labels, in the colours of the picture of make_shards, all others grey', () => {
  const { data } = madeUpState();
  const classes = (count: number) => Array.from({ length: count }, (_, index) => String(index));
  const drawn = (count: number) => {
    const shard = { ...data.shards[0]!, counts: classes(count).map((_, index) => count - index) };
    const screen = screenOf({ data: { ...data, classes: classes(count), shards: [shard] } });
    return [...screen.node.querySelectorAll('.jp-Reson-legend li')].map(item => [item.textContent, item.querySelector('rect')!.getAttribute('fill')]);
  };
  const ten = drawn(10);
  expect(ten.map(([name]) => name)).toEqual(classes(10));
  expect([ten[0], ten[1], ten[9]]).toEqual([['0', '#1f77b4'], ['1', '#ff7f0e'], ['9', '#17becf']]);
  const many = drawn(21);
  expect([many[1], many[20]]).toEqual([['1', '#aec7e8'], ['20', '#888888']]);
});

it('a run that was asked to stop says so, and is not asked again', () => {
  const run = madeUpRun('a1', { name: 'digits', state: 'running', done: false, stopping: true });
  const screen = screenOf({ runs: { rows: [run], more: 0, error: '' } });
  expect(screen.node.querySelector('[data-run="a1"] .jp-Reson-state')?.textContent).toContain('stopping…');
  expect(screen.has('Abort digits')).toBe(false);
});

it('of a long warning what to do stands there, and the rest is folded', () => {
  const text = `${'The weights come from outside of the notebook. '.repeat(6)}Write them into the cell.`;
  const captures = madeUpState().captures.map(row => ({ ...row, checks: [{ level: 'warning' as const, text }] }));
  const warning = screenOf({ captures }).node.querySelector('.jp-Reson-check')!;
  expect(warning.querySelector('summary')?.textContent).toBe('Write them into the cell.');
  expect(warning.querySelector('details')?.open).toBe(false);
  expect(warning.textContent).toContain('The weights come from outside');
});

it('the keyboard comes to the actions first', () => {
  expect(screenOf().node.querySelector('button')?.textContent).toBe('Check');
});

it('what goes on can be stopped; that it was too late is told', async () => {
  const activity = { action: 'submit' as const, note: 'building the job', since: Date.now() / 1000 };
  const screen = screenOf({ submit: { obstacles: free, activity } });
  screen.click('Stop: Submitting');
  expect(ops()).toEqual([['stop', {}]]);
  await screen.hear(() => kernel.last.refuse(CommandError.because('Its run has begun.')));
  expect(screen.alerts).toContain('Its run has begun.');
  screen.show(shown({ ...madeUpState(), ...ready }));
  expect(screen.has('Stop: Submitting')).toBe(false);
});

it('a run that nobody could look at is marked, with the reason', () => {
  const run = madeUpRun('a1', { state: 'running', done: false, round: 4, unseen: true, reason: 'Its store does not answer.' });
  const item = screenOf({ runs: { rows: [run], more: 0, error: '' } }).node.querySelector('[data-run=a1]')!;
  expect(item.querySelector('.jp-Reson-state')?.textContent).toContain('running?');
  expect(item.querySelector('.jp-Reson-state')?.getAttribute('data-tone')).toBe('warning');
  expect(item.textContent).toContain('Its store does not answer.');
});

it('a run opens its live view, and is aborted after a second click', async () => {
  const screen = screenOf({ runs: { rows: [madeUpRun('a1', { name: 'digits', state: 'running', done: false, round: 3 })], more: 0, error: '' } });
  screen.click('digits');
  expect(page.shown).toEqual([['run', 'a1']]);
  screen.click('Abort digits');
  expect(document.activeElement?.textContent).toBe('Keep running');
  screen.click('Keep running');
  screen.click('Abort digits');
  expect(ops()).toEqual([]);
  screen.click('Yes, abort');
  expect(ops()).toEqual([['abort', { run: 'a1' }]]);
  await screen.hear(() => kernel.last.refuse(CommandError.because('The store is away.')));
  expect([screen.alerts.includes('The store is away.'), screen.has('Abort digits')]).toEqual([true, true]);
});

it('a run says how far it is, where it runs and since when', () => {
  const item = screenOf().node.querySelector('[data-run="digits-20261122-1742-a1"]')!;
  for (const part of ['running', '3 of 10 rounds', 'local', '1 hour ago']) {
    expect(item.textContent).toContain(part);
  }
  expect(item.querySelector('time')?.title).toContain('20');
});

it.each([[3, 'just now'], [61, '1 minute ago'], [7300, '2 hours ago'], [90_000, 'yesterday']])('%d s are %s', (seconds, words) => {
  expect(age(seconds)).toBe(words);
});

it('two runs that are chosen are compared', async () => {
  const screen = screenOf();
  const boxes = screen.node.querySelectorAll<HTMLInputElement>('.jp-Reson-runItem input');
  await screen.hear(() => boxes[0]!.click());
  expect(screen.has('Compare 2 runs')).toBe(false);
  await screen.hear(() => boxes[1]!.click());
  screen.click('Compare 2 runs');
  expect(ops()).toEqual([['compare', { runs: ['digits-20261122-1742-a1', 'digits-20261122-1640-b2'] }]]);
  const answer = { title: 'Comparison', html: '<table></table>', comparison: { title: 'Comparison' } };
  await screen.hear(() => kernel.last.answer(answer));
  expect(page.shown).toEqual([['document', answer]]);
});

it('of many runs the newest eight stand there', () => {
  const rows = Array.from({ length: 12 }, (_, index) => madeUpRun(`r${index}`, {}));
  const screen = screenOf({ runs: { rows, more: 0, error: '' } });
  const count = () => screen.node.querySelectorAll('.jp-Reson-runItem').length;
  expect(count()).toBe(8);
  screen.click('Show all 12 runs');
  expect(count()).toBe(12);
});

it('hostile names of runs, sites, classes and captures are text', () => {
  const state = madeUpState();
  state.captures[0] = { ...state.captures[0]!, name: HOSTILE, cell: HOSTILE, size: HOSTILE, checks: [{ level: 'error', text: HOSTILE }] };
  state.data = { ...state.data, headline: HOSTILE, classes: [HOSTILE], problems: [HOSTILE] };
  state.data.shards[0] = { ...state.data.shards[0]!, site: HOSTILE, name: HOSTILE };
  state.runs.rows[0] = madeUpRun(HOSTILE, { name: HOSTILE, state: HOSTILE, target: HOSTILE, reason: HOSTILE });
  state.submit = { obstacles: { check: [HOSTILE], preview: [], submit: [] }, activity: { action: 'check', note: HOSTILE, since: 0 } };
  expect(new Screen(shown(state)).node.querySelector('img, script')).toBeNull();
});
