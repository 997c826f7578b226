import type { AnyModel } from '@anywidget/types';
import { beforeEach, expect, it, vi } from 'vitest';

import { Link } from '../src/run_view/link';
import { WidgetChannel } from '../src/run_view/widget_channel';
import type { Traits } from '../src/run_view/widget_channel';

type Handler = (content?: unknown) => void;

/** The front end's end of the widget, without a kernel behind it. */
class FakeModel {
  sent: unknown[] = [];
  snapshot: unknown = { clock: 50, message: { version: 1, full: true, run: { state: 'running', round: 0 } } };
  private handlers = new Map<string, Handler>();

  get(name: string): unknown {
    return name === 'nonce' ? 'n0' : this.snapshot;
  }
  on(name: string, handler: Handler): void {
    this.handlers.set(name, handler);
  }
  off(name: string): void {
    this.handlers.delete(name);
  }
  send(content: unknown): void {
    this.sent.push(content);
  }
  says(content: unknown): void {
    this.handlers.get('msg:custom')?.(content);
  }
  delta(version: number, run = {}): void {
    this.says({ kind: 'letter', clock: 60, message: { version, full: false, run } });
  }
  full(version: number): void {
    this.snapshot = { clock: 61, message: { version, full: true, run: { state: 'running', round: version } } };
    this.handlers.get('change:snapshot')?.();
  }
}

let widget: FakeModel;
let link: Link;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] });
  widget = new FakeModel();
  link = new Link(new WidgetChannel(widget as unknown as AnyModel<Traits>));
});

it('asks for the full state when it opens, because messages may have passed while it loaded', () => {
  expect(widget.sent).toEqual([{ op: 'snapshot', nonce: 'n0' }]);
});

it('shows a saved state without a kernel, but neither lets time pass nor takes commands for possible', () => {
  vi.advanceTimersByTime(5000);
  expect(link.model.run.state).toBe('running');
  expect(link.live).toBe(false);
  expect(link.now).toBe(50);
});

it('is live, and follows the clock of the kernel, from the first message on', () => {
  widget.delta(2);
  vi.advanceTimersByTime(1500);
  expect(link.live).toBe(true);
  expect(link.now).toBeCloseTo(61.5);
});

it('asks again after a gap, but not more than once in two seconds', () => {
  vi.advanceTimersByTime(3000);
  widget.delta(5);
  widget.delta(6);
  expect(widget.sent).toHaveLength(2);
  vi.advanceTimersByTime(2500);
  widget.delta(7);
  expect(widget.sent).toHaveLength(3);
  widget.full(7);
  widget.delta(8);
  expect(widget.sent).toHaveLength(3);
  expect(link.model.version).toBe(8);
});

it('sends an abort with the nonce of its widget', () => {
  link.abort();
  expect(widget.sent.at(-1)).toEqual({ op: 'abort', nonce: 'n0' });
});

it('hears nothing any more once it is disposed of', () => {
  const listener = vi.fn();
  link.subscribe(listener);
  link.dispose();
  widget.delta(2);
  expect(listener).not.toHaveBeenCalled();
});

it('takes a kernel that gave no sign for long as gone, until it is heard again or the run is over', () => {
  widget.delta(2);
  vi.advanceTimersByTime(19_000);
  expect(link.gone).toBe(false);
  vi.advanceTimersByTime(2_000);
  expect(link.gone).toBe(true);
  widget.delta(3);
  expect(link.gone).toBe(false);
  widget.delta(4, { state: 'finished' });
  vi.advanceTimersByTime(60_000);
  expect(link.gone).toBe(false);
});

it('asks for a round that the full state had no room for, once, and not while nobody is there', () => {
  link.askRound(7);
  expect(widget.sent).toHaveLength(1);
  widget.delta(2);
  link.askRound(7);
  link.askRound(7);
  expect(widget.sent.slice(1)).toEqual([{ op: 'round', round: 7, nonce: 'n0' }]);
  widget.says({ kind: 'round', round: 7, lines: [{ name: 'loss', site: 'a', rounds: [7], values: [0.25] }] });
  expect(link.model.history.metric('loss').lines.get('a')?.at(7)).toBe(0.25);
  expect(link.model.version).toBe(2);
});

it.each([null, 7, 'text', [], {}, { kind: 'letter' }, { kind: 'answer' }, { kind: 'round', lines: { length: 3 } }])(
  'takes %j of the kernel, whatever it is meant to be',
  content => {
    widget.says(content);
    expect(link.model.run.state).toBe('running');
  }
);

it('lets time stand still where a kernel that is gone was last heard', () => {
  widget.delta(2);
  vi.advanceTimersByTime(15_000);
  expect(link.now).toBeCloseTo(75);
  vi.advanceTimersByTime(60_000);
  expect(link.now).toBe(60);
});

it('knows of an abort until it is refused, and tells every view', () => {
  const view = vi.fn();
  link.subscribe(view);
  link.abort();
  expect([link.aborting, view.mock.calls.length]).toEqual([true, 1]);
  widget.says({ kind: 'answer', op: 'abort', ok: true, text: '' });
  expect(link.aborting).toBe(true);
  widget.says({ kind: 'answer', op: 'abort', ok: false, text: 'Not aborted' });
  expect(link.aborting).toBe(false);
});
