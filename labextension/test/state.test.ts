import { describe, expect, it } from 'vitest';

import { RunModel } from '../src/run_view/state';
import type { Letter, Line, Message, Value } from '../src/run_view/types';

const letter = (message: Partial<Message> & { version: number }, clock = 100): Letter => ({
  clock,
  message: { full: false, ...message }
});

const line = (name: string, site: string | null, rounds: number[], values: Value[]): Line => ({ name, site, rounds, values });

/** The rounds of a metric, and the rounds and values of its lines. */
function drawn(model: RunModel, name: string): Record<string, unknown> {
  const metric = model.history.metric(name);
  const entries = [...metric.lines].map(([site, found]) => [String(site), [found.rounds, found.values]] as const);
  return Object.fromEntries([['rounds', metric.rounds] as const, ...entries]);
}

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

  it('lets a later value replace an earlier one of the same name, site and round', () => {
    const model = opened({ lines: [line('loss', 'a', [0], [2])] });
    model.apply(letter({ version: 2, lines: [line('loss', 'a', [0], [1])] }));
    expect(drawn(model, 'loss')).toEqual({ rounds: [0], a: [[0], [1]] });
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
    const model = opened({ lines: [line('gone', null, [0], [1])] });
    model.apply(letter({ version: 9, full: true, lines: [line('loss', null, [0], [1])] }));
    expect(model.metrics).toEqual(['loss']);
  });

  it('change nothing when they arrive late or twice', () => {
    const model = opened({ run: { round: 4 } });
    expect(model.apply(letter({ version: 1, run: { round: 1 } }))).toBe('stale');
    expect(model.apply(letter({ version: 0, full: true, run: { round: 0 } }))).toBe('stale');
    expect(model.run.round).toBe(4);
  });

  it('are forgotten with everything else when the kernel was started anew and tells it all again', () => {
    const model = opened({ version: 40, run: { round: 4 } });
    expect(model.apply(letter({ version: 1, full: true, run: { round: 6 } }, 200))).toBe('applied');
    expect(model.apply(letter({ version: 2, run: { round: 7 } }, 201))).toBe('applied');
    expect(model.run.round).toBe(7);
  });

  it.each([null, undefined, 7, 'text', {}, { clock: 1 }, { clock: 1, message: null }, { clock: 1, message: {} }])(
    'and anything that is no letter (%j) is ignored',
    rubbish => {
      expect(opened().apply(rubbish)).toBe('stale');
    }
  );
});

describe('the values of a metric', () => {
  const lines = [line('loss', 'b', [2], [0.5]), line('loss', 'a', [0, 2], [2, 'NaN']), line('loss', null, [0], [1.5])];

  it('are kept for every line, with every round that anyone reported in order', () => {
    expect(drawn(opened({ lines }), 'loss')).toEqual({ rounds: [0, 2], a: [[0, 2], [2, 'NaN']], b: [[2], [0.5]], null: [[0], [1.5]] });
  });

  it('make a site known that has said nothing else', () => {
    expect(opened({ lines }).siteNames).toEqual(['b', 'a']);
  });

  it('are put into their place when they come late', () => {
    const model = opened({ lines: [line('loss', 'a', [1, 5], [1, 5])] });
    model.apply(letter({ version: 2, lines: [line('loss', 'a', [3, 0], [3, 0])] }));
    expect(drawn(model, 'loss')).toEqual({ rounds: [0, 1, 3, 5], a: [[0, 1, 3, 5], [0, 1, 3, 5]] });
  });

  it('come with loss and accuracy first', () => {
    const named = ['zeta', 'accuracy', 'alpha', 'loss'].map(name => line(name, null, [0], [1]));
    expect(opened({ lines: named }).metrics).toEqual(['loss', 'accuracy', 'alpha', 'zeta']);
  });

  it('say of which rounds some may lack, until a full message has them all', () => {
    const model = opened({ lines, thinned: 40 });
    model.apply(letter({ version: 2 }));
    expect(model.history.thinned).toBe(40);
    model.apply(letter({ version: 3, full: true }));
    expect(model.history.thinned).toBe(0);
  });
});

it('names like those of built-in properties are names like others', () => {
  const model = opened({ sites: [{ site: '__proto__' }], lines: [line('constructor', '__proto__', [0], [1])] });
  expect(drawn(model, 'constructor')['__proto__']).toEqual([[0], [1]]);
  const metrics = JSON.parse('{"__proto__": 3}') as Record<string, number>;
  model.apply(letter({ version: 2, sites: [{ site: 'a', metrics }] }));
  expect(Object.entries(model.sites.get('a')?.metrics ?? {})).toEqual([['__proto__', 3]]);
});
