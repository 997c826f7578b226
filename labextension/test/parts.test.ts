// @vitest-environment happy-dom
import { expect, it, vi } from 'vitest';

import { AbortButton } from '../src/run_view/abort';
import { Choices } from '../src/run_view/choices';
import { EventList } from '../src/run_view/events';
import { FailureList } from '../src/run_view/failures';
import { Header } from '../src/run_view/header';
import type { Link } from '../src/run_view/link';
import { logTicks } from '../src/run_view/log_ticks';
import { Notes } from '../src/run_view/notes';
import { lastShown, roundTicks } from '../src/run_view/rounds';
import { RunModel } from '../src/run_view/state';
import { SiteTable } from '../src/run_view/table';
import type { Failures, Message } from '../src/run_view/types';

const HOSTILE = '<img src=x onerror="window.__x=1"></script>';

it('a hostile name of a site, metric or problem is text in the table', () => {
  const model = new RunModel();
  const row = { site: HOSTILE, phase: HOSTILE, problem: HOSTILE, metrics: { [HOSTILE]: 1 } };
  const lines = [{ name: HOSTILE, site: HOSTILE, rounds: [0], values: [1] }];
  model.apply({ clock: 1, message: { version: 1, full: true, sites: [row], lines } });
  const table = new SiteTable(new Choices());
  table.update(model, 1);
  expect(table.node.querySelector('img')).toBeNull();
  expect(table.node.textContent?.split(HOSTILE)).toHaveLength(5);
});

it('a hostile event is text in the list', () => {
  const list = new EventList();
  list.update([{ time: 0, level: 'error', site: HOSTILE, text: HOSTILE }]);
  expect(list.node.querySelector('img')).toBeNull();
});

it('the table lets "last seen" grow without being told', () => {
  const model = new RunModel();
  model.apply({ clock: 1, message: { version: 1, full: true, sites: [{ site: 'a', last_seen: 10 }] } });
  const table = new SiteTable(new Choices());
  table.update(model, 12);
  table.tick(15);
  expect(table.node.textContent).toContain('5 s ago');
});

function abortButton(): { click: (label: string) => void; shown: () => string[]; onAbort: () => void; button: AbortButton } {
  const onAbort = vi.fn();
  const button = new AbortButton(onAbort);
  const all = () => [...button.node.querySelectorAll('button')];
  return {
    button,
    onAbort,
    shown: () => all().filter(entry => !entry.hidden).map(entry => entry.textContent ?? ''),
    click: label => all().find(entry => entry.textContent === label)?.click()
  };
}

it('abort asks first, and only the second click aborts', () => {
  const { button, click, onAbort, shown } = abortButton();
  button.update(true, false, null);
  click('Abort');
  expect(shown()).toEqual(['Yes, abort', 'Keep running']);
  expect(onAbort).not.toHaveBeenCalled();
  click('Yes, abort');
  expect(onAbort).toHaveBeenCalledOnce();
});

it('abort can be thought better of', () => {
  const { button, click, onAbort, shown } = abortButton();
  button.update(true, false, null);
  click('Abort');
  click('Keep running');
  expect(shown()).toEqual(['Abort']);
  expect(onAbort).not.toHaveBeenCalled();
});

it('abort is not possible before the kernel was heard or after the end', () => {
  const { button, click, shown } = abortButton();
  button.update(false, false, null);
  click('Abort');
  expect(shown()).toEqual(['Abort']);
  expect(button.node.querySelector('button:not([hidden])')?.hasAttribute('disabled')).toBe(true);
});

it('between the second click and the end, aborting is said and not offered again', () => {
  const { button, click, onAbort, shown } = abortButton();
  button.update(true, false, null);
  click('Abort');
  click('Yes, abort');
  expect([shown(), button.node.textContent?.includes('Aborting…')]).toEqual([[], true]);
  button.update(true, true, { op: 'abort', ok: true, text: '' });
  click('Abort');
  expect(shown()).toEqual([]);
  expect(onAbort).toHaveBeenCalledOnce();
});

it('a refused abort says why and can be tried again', () => {
  const { button, click, shown } = abortButton();
  button.update(true, false, null);
  click('Abort');
  click('Yes, abort');
  button.update(true, false, { op: 'abort', ok: false, text: 'Not aborted: the store is away' });
  expect(button.node.textContent).toContain('the store is away');
  expect(shown()).toEqual(['Abort']);
});

function modelOf(parts: Partial<Message>): RunModel {
  const model = new RunModel();
  model.apply({ clock: 1, message: { version: 1, full: true, ...parts } });
  return model;
}

function tableOf(parts: Partial<Message>): SiteTable {
  const table = new SiteTable(new Choices());
  table.update(modelOf(parts), 1);
  return table;
}

it('memory and CPU have a column only where a site has told them', () => {
  const titles = (table: SiteTable) => [...table.node.querySelectorAll('thead th')].map(cell => cell.textContent);
  expect(titles(tableOf({ sites: [{ site: 'a' }] }))).not.toContain('Memory, CPU');
  const told = tableOf({ sites: [{ site: 'a', memory: 412_000_000, cpu: 96.6 }, { site: 'b' }] });
  expect(titles(told)).toContain('Memory, CPU');
  expect(told.node.textContent).toContain('412 MB, 97 %');
});

it('a site that stands still says where, and one in a round at which step', () => {
  const stalled = 'no progress for 15 s in In[4], line 9';
  const { node } = tableOf({ sites: [{ site: 'a', phase: 'stalled', round: 2, step: 120, stalled }] });
  expect(node.querySelector('.reson-stalled')?.textContent).toBe(stalled);
  expect(node.textContent).toContain('3, step 120');
});

const STEP = { title: 'In[4], line 9 (forward)', lines: [[9, 'return self.fc(x)', true]] as [number, string, boolean][], folded: '' };
const FAILURES: Failures = {
  cards: [
    {
      who: 'site-1, round 2',
      headline: 'RuntimeError at In[4], line 9 (forward)',
      message: 'shapes differ',
      steps: [STEP, { title: '2 calls in torch', lines: [], folded: 'torch/nn' }],
      cause: 'made for 256',
      fix: 'make it fit',
      traceback: 'Traceback'
    }
  ],
  more: 4
};

it('an error is one line while the run goes on, and an open card when it is over', () => {
  const list = new FailureList();
  const open = () => list.node.querySelector('details')?.open;
  list.update({ cards: [], more: 0 }, false);
  expect(list.node.hidden).toBe(true);
  list.update(FAILURES, false);
  expect([list.node.hidden, open()]).toEqual([false, false]);
  list.update(FAILURES, true);
  expect(open()).toBe(true);
  for (const part of ['site-1, round 2: ', '> 9 | return self.fc(x)', 'make it fit', '2 calls in torch', 'and 4 more errors']) {
    expect(list.node.textContent).toContain(part);
  }
});

it('a card that the reader opened stays open while nothing new is known', () => {
  const list = new FailureList();
  list.update(FAILURES, false);
  const card = list.node.querySelector('details');
  card!.open = true;
  list.update(structuredClone(FAILURES), false);
  expect(list.node.querySelector('details')).toBe(card);
});

it('a hostile failure is text in its card', () => {
  const hostile = { ...FAILURES.cards[0]!, who: HOSTILE, headline: HOSTILE, message: HOSTILE, cause: HOSTILE, fix: HOSTILE };
  const steps = [{ title: HOSTILE, lines: [[9, HOSTILE, true]] as [number, string, boolean][], folded: '' }, { ...STEP, folded: HOSTILE }];
  const list = new FailureList();
  list.update({ cards: [{ ...hostile, steps, traceback: HOSTILE }], more: 0 }, true);
  expect(list.node.querySelector('img, script')).toBeNull();
  expect(list.node.textContent?.split(HOSTILE)).toHaveLength(10);
});

function headerOf(run: Message['run'], now: number, more: Partial<Link> = {}): HTMLElement {
  const model = modelOf({ run: { state: 'running', sentence: 'The sites are training.', ...run } });
  const link = { model, live: true, gone: false, answer: null, quiet: 0, now, ...more } as unknown as Link;
  const header = new Header(link);
  header.update();
  return header.node;
}

it('while a run is being stopped its header counts down, and there is nothing more to abort', () => {
  const node = headerOf({ stopping: 110.4, remaining: 60, started: 50 }, 103);
  expect(node.querySelector('.reson-stopping')?.textContent).toBe('forced in 8 s');
  expect(node.querySelector('button')?.disabled).toBe(true);
  expect(node.textContent).not.toContain('remaining');
  expect(headerOf({ stopping: 110 }, 111).textContent).toContain('being forced');
  expect(headerOf({ stopping: 110, state: 'aborted', offer: 'It is kept.' }, 103).textContent).not.toContain('forced');
});

it.each([
  ['once it was asked', { stopping: null }, { aborting: true }, true],
  ['when the kernel tells', { stopping: 110 }, {}, true],
  ['not of one that goes on', { stopping: null }, {}, false],
  ['not when it is over', { stopping: null, state: 'aborted', sentence: 'Stopped.' }, { aborting: true }, false]
])('a run that is to stop says so, in its badge and in words: %s', (_, run, link, stops) => {
  const node = headerOf(run, 103, link);
  expect(node.querySelector('.reson-pill')!.textContent === 'stopping').toBe(stops);
  expect(node.querySelector('.reson-sentence')!.textContent!.startsWith('The run was asked to stop')).toBe(stops);
  expect(node.textContent!.includes('The sites are training.')).toBe(!stops && !('state' in run));
});

it('what a stopped run leaves is offered', () => {
  expect(headerOf({ state: 'aborted', offer: 'The model of round 3 is kept.' }, 1).textContent).toContain('of round 3 is kept');
});

it('rounds below a chart are whole, and the validation of the final model touches none of them', () => {
  expect(roundTicks(1, 1, 1)).toEqual([1]);
  expect(roundTicks(4, 1, 4)).toEqual([1, 2, 3, 4]);
  expect(roundTicks(5, 1, 4)).toEqual([1, 2, 3, 4, 5]);
  expect(roundTicks(11, 5, 10)).toEqual([5, 11]);
  expect(roundTicks(14, 5, 13)).toEqual([5, 10, 14]);
});

it('of a long run that has just begun, the rounds that are to come do not press those that were', () => {
  expect([lastShown(1, 8), lastShown(9, 8), lastShown(3, 0)]).toEqual([8, 9, 3]);
  expect([lastShown(5, 900), lastShown(17, 900), lastShown(300, 900), lastShown(700, 900)]).toEqual([20, 40, 640, 900]);
});

it('of how the job was made, what deserves attention is shown, and the rest is folded', () => {
  const node = headerOf({ notes: ['min_clients was not set'], warnings: [HOSTILE], links: ['on the platform: https://a.org/1'] }, 1);
  expect(node.querySelector('.reson-warning')?.textContent).toBe(HOSTILE);
  expect(node.querySelector('a')?.href).toBe('https://a.org/1');
  expect(node.textContent).not.toContain('min_clients');
  const notes = new Notes();
  notes.update([]);
  expect(notes.node.hidden).toBe(true);
  notes.update(['min_clients was not set', HOSTILE]);
  expect([notes.node.hidden, notes.node.open]).toEqual([false, false]);
  expect(notes.node.querySelector('summary')?.textContent).toBe('How the job was made (2 notes)');
  expect([...notes.node.querySelectorAll('li')].map(item => item.textContent)).toEqual(['min_clients was not set', HOSTILE]);
});

it.each([
  [1e-8, 1, [1e-8, 1e-6, 1e-4, 1e-2, 1]],
  [0.001, 10, [0.001, 0.01, 0.1, 1, 10]],
  [0.5, 2, [0.5, 1, 2]],
  [0.02, 0.5, [0.02, 0.05, 0.1, 0.2, 0.5]]
])('a logarithmic axis from %d to %d has lines at %j', (min, max, lines) => {
  expect(logTicks(min, max)).toEqual(lines);
});

it('however many decades there are, a logarithmic axis has few lines', () => {
  for (let decades = 2; decades < 600; decades++) {
    const lines = logTicks(1e-300, 10 ** (decades - 300));
    expect(lines.length).toBeGreaterThan(1);
    expect(lines.length).toBeLessThanOrEqual(8);
  }
});
