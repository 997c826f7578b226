// @vitest-environment happy-dom
import { beforeAll, expect, it, vi } from 'vitest';

import type { Channel } from '../src/run_view/channel';
import { Link } from '../src/run_view/link';
import { RunModel } from '../src/run_view/state';
import { mount } from '../src/run_view/view';

beforeAll(() => {
  // happy-dom has no canvas; what is drawn on one is not what is looked at here.
  vi.mock('uplot', () => ({
    default: class {
      setData = vi.fn();
      destroy = vi.fn();
      redraw = vi.fn();
    }
  }));
});

const HOSTILE = '<img src=x onerror="window.__x=1">';

/** A saved state whose kernel is gone: whatever is sent, nobody answers. */
function savedChannel(letter: unknown): Channel & { sent: unknown[] } {
  const sent: unknown[] = [];
  return { letter, sent, listen: () => () => undefined, send: command => sent.push(command) };
}

const SAVED = {
  clock: 100,
  message: {
    version: 7,
    full: true,
    run: { id: 'r1', name: 'digits', state: 'running', round: 2, rounds: 5, started: 40 },
    sites: [{ site: 'site-1', phase: 'training', round: 1, metrics: { loss: 0.5 } }],
    lines: [{ name: 'loss', site: 'site-1', rounds: [0, 1], values: [2, 0.5] }],
    stages: [{ name: 'local train', state: 'active', text: '0 of 1 site' }]
  }
};

function shown(letter: unknown): { el: HTMLElement; sent: unknown[] } {
  const channel = savedChannel(letter);
  const el = document.createElement('div');
  document.body.append(el);
  mount(new Link(channel), el);
  return { el, sent: channel.sent };
}

it('a saved state without a kernel shows the last picture, and nothing that would need one', () => {
  const { el, sent } = shown(SAVED);
  expect(el.textContent).toContain('Round 3 of 5');
  expect(el.querySelector('figure [role=img]')?.getAttribute('aria-label')).toBe('loss over 2 rounds. In round 2: site-1 0.5000.');
  expect(el.querySelector('tbody')?.textContent).toContain('0.5000');
  expect([...el.querySelectorAll('.reson-abort')].every(node => (node as HTMLElement).hidden)).toBe(true);
  expect(el.querySelector<HTMLElement>('.reson-stages')?.hidden).toBe(true);
  // It asks whether there is a kernel, and does no more.
  expect(sent).toEqual([{ op: 'snapshot' }]);
});

it('parts that are not as they must be are left out, and the rest is shown', () => {
  const sites = [{ site: 'good', phase: 'training' }, { site: 7 }, null, { phase: 'nameless' }, { site: 'odd', round: 'x', metrics: [] }];
  const lines = [
    { name: 'loss', site: 'good', rounds: [0, -1, 1.5, 'x', 1], values: [1, 2, 3, 4, { toString: 5 }] },
    { name: 'loss', site: 'good', rounds: [3], values: [1, 2] },
    { name: { length: 3 }, site: null, rounds: [], values: [] }
  ];
  const run = { id: 'r1', state: 9, rounds: 1e300, round: -4, notes: 'no list' };
  const model = new RunModel();
  expect(model.apply({ clock: 1, message: { version: 1, full: true, run, sites, lines, failures: { cards: 3 }, stages: [{}] } })).toBe('applied');
  expect(model.siteNames).toEqual(['good', 'odd']);
  expect(model.run).toMatchObject({ id: 'r1', state: 'pending', rounds: 0, round: 0, notes: [] });
  const values = model.history.metric('loss').lines.get('good');
  expect([values?.rounds, values?.values]).toEqual([[0], [1]]);
  expect([model.failures, model.stages]).toEqual([{ cards: [], more: 0 }, []]);
});

it('an object that would change what all objects have changes nothing', () => {
  const message = JSON.parse(
    '{"version": 1, "full": true, "__proto__": {"polluted": 1}, "run": {"__proto__": {"state": "finished"}, "constructor": 1},' +
      '"sites": [{"site": "__proto__", "__proto__": {"phase": "x"}, "metrics": {"__proto__": {"polluted": 1}, "a": 1}}]}'
  ) as unknown;
  const model = new RunModel();
  model.apply({ clock: 1, message });
  expect(model.run.state).toBe('pending');
  expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  expect(model.sites.get('__proto__')).toMatchObject({ phase: '', metrics: { a: 1 } });
});

it('huge lists are cut, and a page that gets them still answers', () => {
  const rounds = Array.from({ length: 100_000 }, (_, at) => at);
  const lines = Array.from({ length: 40 }, (_, at) => ({ name: 'loss', site: `s${at}`, rounds, values: rounds }));
  const events = Array.from({ length: 100_000 }, () => ({ time: 1, level: 'info', site: null, text: 'x'.repeat(10) }));
  const sites = Array.from({ length: 100_000 }, (_, at) => ({ site: `s${at}` }));
  const model = new RunModel();
  expect(model.apply({ clock: 1, message: { version: 1, full: true, sites, lines, events } })).toBe('applied');
  expect(model.sites.size).toBe(5_000);
  expect(model.events).toHaveLength(8);
  expect(model.history.metric('loss').lines.size).toBe(30);
}, 20_000);

/** The same on every run. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

const WORDS = ['', HOSTILE, '__proto__', 'constructor', 'site-1', 'loss', 'running', 'finished', 'active', '\u2028\u202e'];
const NUMBERS = [0, -1, 1, 2.5, 1e300, -1e300, 1e-320, 9e15, NaN, Infinity];
const KEYS = Object.keys({ ...SAVED.message, ...SAVED.message.run, ...SAVED.message.sites[0], ...SAVED.message.lines[0] });
const MORE_KEYS = [...KEYS, ...WORDS, 'events', 'failures', 'environments', 'cards', 'more', 'rows', 'cells', 'level', 'text', 'time', 'thinned'];

function anything(next: () => number, depth: number): unknown {
  const one = <T>(from: T[]) => from[Math.floor(next() * from.length)];
  const kind = next();
  if (depth > 4 || kind < 0.35) {
    return one([one(WORDS), one(NUMBERS), null, true, false]);
  }
  const entries = Array.from({ length: Math.floor(next() * 5) }, () => anything(next, depth + 1));
  return kind < 0.6 ? entries : Object.fromEntries(entries.map(entry => [one(MORE_KEYS), entry]));
}

/** The saved state with some of its parts replaced by anything. */
function spoilt(next: () => number, value: unknown, depth = 0): unknown {
  if (next() < 0.08 * depth) {
    return anything(next, 2);
  }
  if (Array.isArray(value)) {
    return value.map(entry => spoilt(next, entry, depth + 1));
  }
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, spoilt(next, entry, depth + 1)]));
  }
  return value;
}

it('whatever a saved state holds, the view opens, and nothing in it becomes an element', () => {
  const next = random(11);
  for (let turn = 0; turn < 300; turn++) {
    const { el, sent } = shown(next() < 0.3 ? anything(next, 0) : spoilt(next, SAVED));
    expect(el.querySelector('img, script')).toBeNull();
    expect(sent).toEqual([{ op: 'snapshot' }]);
    el.remove();
  }
});
