// @vitest-environment happy-dom
import { afterEach, beforeEach, expect, it, vi } from 'vitest';

import { CommandError } from '../../src/sidebar/commands';
import type { KernelLink } from '../../src/sidebar/link';
import type { RunRow, Runs } from '../../src/sidebar/types';
import { FakeKernel, STATE, settled } from './fake_kernel';

let kernel: FakeKernel;
let link: KernelLink;

const RUNS: Runs = { rows: [{ id: 'r1' } as RunRow], more: 0, error: '' };

beforeEach(() => {
  kernel = new FakeKernel();
  link = kernel.link;
});

afterEach(() => {
  link.dispose();
  vi.useRealTimers();
});

async function begun(): Promise<void> {
  kernel.connect();
  await settled();
  kernel.full();
}

async function problemOf(promise: Promise<unknown>): Promise<string> {
  const error: unknown = await promise.catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(CommandError);
  return (error as CommandError).message;
}

it('opens nothing before the kernel is connected, and starts with it', async () => {
  expect(link.status).toBe('starting');
  expect(kernel.sent).toEqual([]);
  kernel.connect();
  await settled();
  expect(kernel.opened('reson.state')).toMatchObject([{ data: {}, subshell: 's1' }]);
  expect(link.status).toBe('starting');
  kernel.full();
  const [state] = kernel.opened('reson.state');
  expect(kernel.opened('reson.command')).toMatchObject([{ data: { state: state?.comm_id }, subshell: 's1' }]);
  expect(link.status).toBe('ready');
  expect(link.state).toEqual(STATE);
});

it('asks a kernel without subshells on its shell', async () => {
  kernel.supportsSubshells = false;
  await begun();
  expect(kernel.subshells).toBe(0);
  expect(kernel.opened('reson.state')).toMatchObject([{ subshell: null }]);
});

it('gets in by a subshell where the kernel ran a cell already when this page came', async () => {
  vi.useFakeTimers();
  kernel.info = new Promise(() => undefined);
  kernel.connect('unknown');
  await settled();
  expect(link.status).toBe('starting');
  await vi.advanceTimersByTimeAsync(1000);
  expect(link.status).toBe('busy');
  await settled();
  kernel.full();
  expect(link.status).toBe('ready');
});

it('says that the kernel is busy while a kernel without subshells runs a cell', async () => {
  kernel.supportsSubshells = false;
  kernel.connect();
  await settled();
  kernel.turn('busy');
  expect(link.status).toBe('busy');
});

it('takes patches of whole parts', async () => {
  await begun();
  kernel.patch(2, { runs: RUNS });
  expect(link.state).toEqual({ ...STATE, runs: RUNS });
});

it('asks once for everything when a message is missing, and keeps what it has meanwhile', async () => {
  await begun();
  kernel.patch(3, { runs: RUNS });
  kernel.patch(4, { runs: RUNS });
  expect(link.state).toEqual(STATE);
  expect(kernel.commands('snapshot')).toHaveLength(1);
  kernel.full(4, { ...STATE, runs: RUNS });
  kernel.patch(5, { captures: [] });
  expect(link.state?.runs).toEqual(RUNS);
  kernel.patch(9, {});
  expect(kernel.commands('snapshot')).toHaveLength(2);
});

it('gives each command its own reply', async () => {
  await begun();
  const first = link.send('configure', { fields: { batch_size: 64 } });
  const second = link.send('submit');
  const [configure] = kernel.commands('configure');
  const [submit] = kernel.commands('submit');
  expect(configure?.args).toEqual({ fields: { batch_size: 64 } });
  kernel.tell({ kind: 'reply', id: submit?.id, ok: true, value: { run: 'r1' } });
  const problem = { message: 'batch_size has to be at least 1.', hint: '', fields: { batch_size: 'at least 1' }, html: '' };
  kernel.tell({ kind: 'reply', id: configure?.id, ok: false, error: problem });
  await expect(second).resolves.toEqual({ run: 'r1' });
  await expect(first).rejects.toMatchObject({ problem });
});

it('refuses commands at once while the kernel does not answer', async () => {
  expect(await problemOf(link.send('submit'))).toBe('The kernel starts…');
  expect(kernel.sent).toEqual([]);
});

it('says that the extension is not loaded when the kernel closes the comm, and never opens the other', async () => {
  kernel.connect();
  await settled();
  kernel.close();
  expect(link.status).toBe('not-loaded');
  expect(kernel.opened('reson.command')).toEqual([]);
});

it('opens again when the kernel says that the extension is loaded', async () => {
  kernel.connect();
  await settled();
  kernel.close();
  kernel.ready();
  await settled();
  expect(kernel.opened('reson.state')).toHaveLength(2);
  kernel.full();
  expect(link.status).toBe('ready');
});

it('loads the extension without a trace in the history, and opens even where it was loaded already', async () => {
  kernel.connect();
  await settled();
  kernel.close();
  await link.load();
  expect(kernel.code).toEqual(['%load_ext reson_jupyter']);
  expect(kernel.opened('reson.state')).toHaveLength(2);
});

it.each([
  [{ ename: 'ModuleNotFoundError', evalue: "No module named 'reson_jupyter'" }, 'reson_jupyter is not installed where this kernel runs.'],
  [{ ename: 'ModuleNotFoundError', evalue: "No module named 'torch'" }, "It could not be loaded: ModuleNotFoundError: No module named 'torch'"]
])('says why the extension cannot be loaded: %o', async (failure, said) => {
  kernel.connect();
  await settled();
  kernel.close();
  kernel.executed = { status: 'error', ...failure };
  expect(await problemOf(link.load())).toBe(said);
  expect(link.status).toBe('not-loaded');
});

it('forgets what it knew when the kernel restarts, answers what waits, and opens again', async () => {
  await begun();
  const waiting = link.send('preview');
  kernel.turn('restarting');
  expect(await problemOf(waiting)).toBe('The kernel was restarted before it answered.');
  expect(link.status).toBe('starting');
  expect(link.state).toBeNull();
  kernel.lose();
  expect(link.status).toBe('starting');
  kernel.connect();
  await settled();
  kernel.close();
  expect(link.status).toBe('not-loaded');
});

it('sees a restart that somebody else asked for', async () => {
  await begun();
  kernel.says('starting', 'second');
  kernel.says('idle', 'second');
  await settled();
  expect(kernel.opened('reson.state')).toHaveLength(2);
  expect(link.status).toBe('starting');
});

it('sees by its next words that the kernel is another process, where "starting" was missed', async () => {
  await begun();
  kernel.says('busy', 'first');
  kernel.says('idle', 'first');
  expect(kernel.opened('reson.state')).toHaveLength(1);
  const waiting = link.send('preview');
  kernel.says('busy', 'second');
  expect(await problemOf(waiting)).toBe('The kernel was restarted before it answered.');
  await settled();
  expect(kernel.opened('reson.state').at(-1)).toMatchObject({ subshell: 's2' });
  kernel.close();
  kernel.says('idle', 'second');
  await settled();
  expect(kernel.opened('reson.state')).toHaveLength(2);
  expect(link.status).toBe('not-loaded');
});

it("is not misled by what the server signs in the kernel's place, nor by a kernel that has nothing of ours", async () => {
  await begun();
  kernel.says('idle', 'first');
  kernel.says('unknown', 'server');
  kernel.says('idle', 'first');
  await settled();
  expect(kernel.opened('reson.state')).toHaveLength(1);
  kernel.close();
  kernel.says('idle', 'first');
  kernel.says('idle', 'second');
  await settled();
  expect(kernel.opened('reson.state')).toHaveLength(1);
  expect(link.status).toBe('not-loaded');
});

it('keeps the last state while the connection is down, and takes no commands', async () => {
  await begun();
  const waiting = link.send('preview');
  kernel.lose();
  expect(link.status).toBe('disconnected');
  expect(link.state).toEqual(STATE);
  expect(await problemOf(waiting)).toBe('The connection to the kernel was lost before it answered.');
  expect(await problemOf(link.send('preview'))).toMatch('The connection to the kernel is lost.');
  const opened = vi.fn();
  link.opened.connect(opened);
  kernel.connect();
  await settled();
  kernel.full(1);
  expect(link.status).toBe('ready');
  expect(opened).toHaveBeenCalledOnce();
});

it('is dead with its kernel', async () => {
  await begun();
  const waiting = link.send('preview');
  kernel.turn('dead');
  kernel.dispose();
  expect(link.status).toBe('dead');
  expect(await problemOf(waiting)).toBe('The kernel died before it answered.');
  expect(await problemOf(link.send('preview'))).toMatch('The kernel died');
});

it('hears nothing of comms that are not its own, nor late words of those it has given up', async () => {
  await begun();
  kernel.tell({ kind: 'state', version: 2, full: false, parts: { runs: RUNS } }, 'of-another-page');
  kernel.close('of-another-page');
  const old = kernel.opened('reson.state')[0]?.comm_id;
  kernel.ready();
  await settled();
  kernel.tell({ kind: 'state', version: 2, full: false, parts: { runs: RUNS } }, old);
  kernel.close(old);
  expect(link.state).toEqual(STATE);
  expect(link.status).not.toBe('not-loaded');
});

it('says that a kernel of another language has nothing to show, and asks it nothing', async () => {
  kernel.spec = Promise.resolve({ language: 'R' });
  kernel.connect();
  await settled();
  expect(link.status).toBe('other-language');
  expect(kernel.sent).toEqual([]);
});

it('gives a sign of life every 30 seconds, and says goodbye', async () => {
  vi.useFakeTimers();
  link.dispose();
  link = kernel.link;
  await begun();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(kernel.commands('here').length).toBeGreaterThanOrEqual(2);
  link.leave();
  expect(kernel.sent.slice(-2).map(({ type }) => type)).toEqual(['comm_close', 'comm_close']);
});

it('passes on which results the kernel has for the notebook', async () => {
  await begun();
  const results = vi.fn();
  link.results.connect((_, models) => results(models));
  kernel.tell({ kind: 'results', models: ['m1'] });
  expect(results).toHaveBeenCalledWith(['m1']);
});
