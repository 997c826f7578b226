// @vitest-environment happy-dom
import { afterEach, beforeEach, expect, it, vi } from 'vitest';

import type { Channel } from '../src/run_view/channel';
import { Link } from '../src/run_view/link';
import { mount } from '../src/run_view/view';

let tell: (content: unknown) => void;
let view: HTMLElement;
let unmount: () => void;

const text = () => view.textContent ?? '';
const letter = (version: number) => {
  const stages = [{ name: 'initialise', state: 'active', text: '' }];
  const run = { id: 'r1', state: 'starting', started: 40, remaining: 90, now: 100, sentence: 'They are starting.' };
  const sites = [{ site: 'site-1', phase: 'waiting', last_seen: 90 }];
  return { kind: 'letter', clock: 100, message: { version, full: true, run, sites, stages } };
};

beforeEach(() => {
  vi.useFakeTimers();
  const channel = { letter: null, listen: (listener: typeof tell) => ((tell = listener), () => undefined), send: () => undefined };
  const link = new Link(channel as unknown as Channel);
  view = document.createElement('div');
  unmount = mount(link, view);
  tell(letter(1));
  vi.advanceTimersByTime(1_000);
});

afterEach(() => {
  unmount();
  vi.useRealTimers();
});

it('while the kernel is heard, time goes on and what is awaited is said', () => {
  expect(text()).toContain('1 min 01 s elapsed');
  expect(text()).toContain('remaining');
  expect(text()).toContain('as soon as the first site reports one');
  expect(view.querySelector('[aria-current]')).not.toBeNull();
});

it('of a kernel that is gone, the view is what was last heard, and it waits for nothing', () => {
  vi.advanceTimersByTime(60_000);
  const then = text();
  expect(then).toContain('Nothing was heard of the kernel');
  expect(then).toContain('1 min 00 s elapsed · last heard ');
  expect(then).not.toContain('remaining');
  expect(then).not.toContain('as soon as');
  expect(view.querySelector('.reson-stale [aria-current]')).toBeNull();
  expect(view.querySelector('.reson-stale .reson-stage')).not.toBeNull();
  vi.advanceTimersByTime(120_000);
  expect(text()).toBe(then);
});

it('a kernel that is heard again has its view back', () => {
  vi.advanceTimersByTime(60_000);
  tell(letter(2));
  vi.advanceTimersByTime(1_000);
  expect(view.querySelector('.reson-stale')).toBeNull();
  expect(text()).toContain('remaining');
});
