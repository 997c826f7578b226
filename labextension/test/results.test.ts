import { expect, test, vi } from 'vitest';

import { ResultKeeper } from '../src/sidebar/results';

const VIEW = 'application/vnd.jupyter.widget-view+json';
const BUNDLE = { 'text/html': '<b>done</b>', 'text/plain': 'done', 'text/javascript': 'alert(1)' };

type Output = Record<string, unknown>;

function viewOf(model: string): Output {
  return { output_type: 'display_data', data: { [VIEW]: { model_id: model }, 'text/plain': 'a view' }, metadata: {} };
}

function notebook(kernel: string, ...outputs: Output[]) {
  const model = {
    get length() {
      return outputs.length;
    },
    get: (index: number) => ({ data: outputs[index]?.['data'], toJSON: () => ({ ...outputs[index] }) }),
    set: (index: number, output: Output) => {
      outputs[index] = output;
    }
  };
  const panel = {
    isDisposed: false,
    context: { ready: Promise.resolve() },
    sessionContext: { session: { kernel: { id: kernel } } },
    model: { cells: [{ type: 'markdown' }, { type: 'code', outputs: model }] }
  };
  return { panel, outputs };
}

function keeperOf(...books: ReturnType<typeof notebook>[]): ResultKeeper {
  return new ResultKeeper(() => books.map(book => book.panel) as never);
}

test('the result takes the place of a view that is still there', async () => {
  const book = notebook('k1', { output_type: 'stream', data: {}, text: 'x' }, viewOf('m1'));
  const send = vi.fn().mockResolvedValue(BUNDLE);
  await keeperOf(book).take('k1', ['m0', 'm1'], { send });
  expect(send.mock.calls).toEqual([['result', { model: 'm1' }]]);
  expect(book.outputs[1]).toEqual({
    output_type: 'display_data',
    data: { 'text/html': '<b>done</b>', 'text/plain': 'done' },
    metadata: {}
  });
});

test('nothing is asked for where the result is shown already', async () => {
  const send = vi.fn();
  await keeperOf(notebook('k1', { output_type: 'display_data', data: { 'text/html': 'done' } })).take('k1', ['m1'], { send });
  expect(send).not.toHaveBeenCalled();
});

test('notebooks of other kernels are left alone', async () => {
  const other = notebook('k2', viewOf('m1'));
  const send = vi.fn();
  await keeperOf(other).take('k1', ['m1'], { send });
  expect(send).not.toHaveBeenCalled();
  expect(other.outputs[0]).toEqual(viewOf('m1'));
});

test('a view stays as it is if the kernel has its result no longer', async () => {
  const book = notebook('k1', viewOf('m1'));
  await keeperOf(book).take('k1', ['m1'], { send: vi.fn().mockRejectedValue(new Error('gone')) });
  expect(book.outputs[0]).toEqual(viewOf('m1'));
});
