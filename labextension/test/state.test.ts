import { describe, expect, it } from 'vitest';

import { RunModel } from '../src/run_view/state';
import type { Letter, Message } from '../src/run_view/types';

const letter = (message: Partial<Message> & { version: number }, clock = 100): Letter => ({
  clock,
  message: { full: false, ...message }
});

const opened = (parts: Partial<Message> = {}): RunModel => {
  const model = new RunModel();
  model.apply(letter({ version: 1, full: true, ...parts }));
  return model;
};

describe('a run told in messages', () => {
  it('takes over only what a delta names', () => {
    const model = opened({ run: { state: 'running', rounds: 5, round: 0 } });
    expect(model.apply(letter({ version: 2, run: { round: 1 } }))).toBe('applied');
    expect(model.run).toMatchObject({ state: 'running', rounds: 5, round: 1 });
  });

  it('merges the metrics of a site and keeps the rest of its row', () => {
    const model = opened({ sites: [{ site: 'a', phase: 'training', metrics: { loss: 2 } }] });
    model.apply(letter({ version: 2, sites: [{ site: 'a', metrics: { accuracy: 0.5 } }] }));
    expect(model.sites.get('a')).toMatchObject({ phase: 'training', metrics: { loss: 2, accuracy: 0.5 } });
  });

  it('lets a later point replace an earlier one of the same name, site and round', () => {
    const model = opened({ points: [{ name: 'loss', site: 'a', round: 0, value: 2 }] });
    model.apply(letter({ version: 2, points: [{ name: 'loss', site: 'a', round: 0, value: 1 }] }));
    expect(model.table('loss').sites).toEqual([{ site: 'a', values: [1] }]);
  });

  it('keeps the last eight events', () => {
    const model = opened();
    for (let version = 2; version < 14; version++) {
      model.apply(letter({ version, events: [{ time: version, level: 'info', site: null, text: `e${version}` }] }));
    }
    expect(model.events.map(event => event.text)).toEqual(['e6', 'e7', 'e8', 'e9', 'e10', 'e11', 'e12', 'e13']);
  });

  it('has the errors of the newest message that tells of them', () => {
    const failures = { cards: [], more: 3 };
    const model = opened({ failures });
    model.apply(letter({ version: 2 }));
    expect(model.failures).toEqual(failures);
    model.apply(letter({ version: 3, full: true }));
    expect(model.failures).toEqual({ cards: [], more: 0 });
  });

  it('knows which states are final', () => {
    expect(opened({ run: { state: 'running' } }).done).toBe(false);
    expect(opened({ run: { state: 'degraded' } }).done).toBe(true);
  });
});

describe('messages that got lost', () => {
  it('are noticed, and go on being noticed until the full state has come', () => {
    const model = opened();
    expect(model.apply(letter({ version: 3, run: { round: 2 } }))).toBe('gap');
    expect(model.apply(letter({ version: 4, run: { round: 3 } }))).toBe('gap');
    expect(model.run.round).toBe(3);
    expect(model.apply(letter({ version: 4, full: true, run: { round: 3 } }))).toBe('applied');
    expect(model.apply(letter({ version: 5 }))).toBe('applied');
  });

  it('do not leave anything old behind once the full state has come', () => {
    const model = opened({ points: [{ name: 'gone', site: null, round: 0, value: 1 }] });
    model.apply(letter({ version: 9, full: true, points: [{ name: 'loss', site: null, round: 0, value: 1 }] }));
    expect(model.metrics).toEqual(['loss']);
  });

  it('change nothing when they arrive late or twice', () => {
    const model = opened({ run: { round: 4 } });
    expect(model.apply(letter({ version: 1, run: { round: 1 } }))).toBe('stale');
    expect(model.apply(letter({ version: 0, full: true, run: { round: 0 } }))).toBe('stale');
    expect(model.run.round).toBe(4);
  });

  it.each([null, undefined, 7, 'text', {}, { clock: 1 }, { clock: 1, message: null }, { clock: 1, message: {} }])(
    'and anything that is no letter (%j) is ignored',
    rubbish => {
      expect(opened().apply(rubbish)).toBe('stale');
    }
  );
});

describe('the table that is drawn', () => {
  const points = [
    { name: 'loss', site: 'b', round: 2, value: 0.5 },
    { name: 'loss', site: 'a', round: 0, value: 2 },
    { name: 'loss', site: null, round: 0, value: 1.5 },
    { name: 'loss', site: 'a', round: 2, value: 'NaN' },
    { name: 'accuracy', site: 'a', round: 0, value: 0.1 }
  ];

  it('has every round that anyone reported, 1-based and in order, and gaps where a value is missing or not finite', () => {
    const table = opened({ sites: [{ site: 'a' }, { site: 'b' }], points }).table('loss');
    expect(table.rounds).toEqual([1, 3]);
    expect(table.sites).toEqual([
      { site: 'a', values: [2, null] },
      { site: 'b', values: [null, 0.5] }
    ]);
    expect(table.mean).toEqual([1.5, null]);
  });

  it('leaves out sites that never reported the metric', () => {
    const table = opened({ points }).table('accuracy');
    expect(table.sites.map(line => line.site)).toEqual(['a']);
  });

  it('comes with loss and accuracy first', () => {
    const names = ['zeta', 'accuracy', 'alpha', 'loss'].map(name => ({ name, site: null, round: 0, value: 1 }));
    expect(opened({ points: names }).metrics).toEqual(['loss', 'accuracy', 'alpha', 'zeta']);
  });
});

it('names like those of built-in properties are names like others', () => {
  const model = opened({
    sites: [{ site: '__proto__' }],
    points: [{ name: 'constructor', site: '__proto__', round: 0, value: 1 }]
  });
  expect(model.table('constructor').sites).toEqual([{ site: '__proto__', values: [1] }]);
});
