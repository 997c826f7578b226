// @vitest-environment happy-dom
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import type { Kernel } from '@jupyterlab/services';
import { Signal } from '@lumino/signaling';
import { beforeEach, expect, it, vi } from 'vitest';

import { Kernels } from '../../src/sidebar/kernels';
import type { KernelLink } from '../../src/sidebar/link';
import { FakeKernel, settled } from './fake_kernel';

/** A notebook, with what JupyterLab tells of its session. */
class FakeNotebook {
  readonly kernelChanged = new Signal<this, void>(this);
  readonly statusChanged = new Signal<this, void>(this);
  readonly connectionStatusChanged = new Signal<this, void>(this);
  readonly sessionChanged = new Signal<this, void>(this);
  readonly sessionContext = this;
  readonly asked: string[] = [];
  ready = Promise.resolve();
  session: { kernel: FakeKernel | null } | null = null;

  constructor(kernel: FakeKernel | null = null) {
    this.session = kernel && { kernel };
  }

  use(kernel: FakeKernel | null): void {
    this.session = kernel && { kernel };
    this.kernelChanged.emit();
  }

  async changeKernel({ name }: { name: string }): Promise<void> {
    this.asked.push(`another ${name}`);
  }

  async startKernel(): Promise<void> {
    this.asked.push('start');
  }
}

class FakeTracker {
  readonly currentChanged = new Signal<this, void>(this);
  currentWidget: FakeNotebook | null = null;
  all: FakeNotebook[] = [];

  show(notebook: FakeNotebook | null): void {
    this.currentWidget = notebook;
    this.currentChanged.emit();
  }

  filter(test: (panel: FakeNotebook) => boolean): FakeNotebook[] {
    return this.all.filter(test);
  }
}

let tracker: FakeTracker;
let kernels: Kernels;
let links: KernelLink[];
let changed: ReturnType<typeof vi.fn>;

beforeEach(() => {
  tracker = new FakeTracker();
  links = [];
  changed = vi.fn();
  kernels = new Kernels(tracker as unknown as INotebookTracker, link => links.push(link));
  kernels.changed.connect(() => changed());
});

it('has no notebook until one is shown, and none after the last is closed', () => {
  expect(kernels.status).toBe('no-notebook');
  tracker.show(new FakeNotebook(new FakeKernel()));
  expect(kernels.status).toBe('starting');
  tracker.show(null);
  expect(kernels.status).toBe('no-notebook');
  expect(kernels.link).toBeNull();
});

it('waits for the first kernel of a notebook before it says that there is none', async () => {
  const notebook = new FakeNotebook();
  tracker.show(notebook);
  expect(kernels.status).toBe('starting');
  await settled();
  expect(kernels.status).toBe('no-kernel');
  await kernels.start();
  expect(notebook.asked).toEqual(['start']);
});

it('links each kernel once, so that a notebook that is shown again has its state at once', async () => {
  const first = new FakeKernel();
  const one = new FakeNotebook(first);
  const two = new FakeNotebook(new FakeKernel());
  first.connect();
  tracker.show(one);
  await settled();
  first.full();
  tracker.show(two);
  expect(kernels.link?.state).toBeNull();
  tracker.show(one);
  expect(kernels.link?.state).not.toBeNull();
  expect(links).toHaveLength(2);
});

it('says nothing of a kernel that is not shown any more', async () => {
  const first = new FakeKernel();
  first.connect();
  tracker.show(new FakeNotebook(first));
  await settled();
  tracker.show(new FakeNotebook(new FakeKernel()));
  changed.mockClear();
  first.full();
  expect(changed).not.toHaveBeenCalled();
});

it('follows the notebook to another kernel', () => {
  const notebook = new FakeNotebook(new FakeKernel());
  tracker.show(notebook);
  const second = new FakeKernel();
  notebook.use(second);
  expect(kernels.kernel).toBe(second as unknown as Kernel.IKernelConnection);
  expect(links).toHaveLength(2);
  expect(kernels.link).toBe(links[1]);
});

it('gives a notebook whose kernel died another of the same kind', async () => {
  const kernel = new FakeKernel();
  const notebook = new FakeNotebook(kernel);
  tracker.show(notebook);
  kernel.turn('dead');
  expect(kernels.status).toBe('dead');
  await kernels.start();
  expect(notebook.asked).toEqual(['another python3']);
});

it('finds the notebooks that share a kernel, the one that is shown first', () => {
  const shared = new FakeKernel();
  const [one, two] = [new FakeNotebook(shared), new FakeNotebook(shared)];
  const other = new FakeNotebook();
  tracker.all = [one, other, two];
  tracker.show(two);
  expect(kernels.notebooksOf('k1')).toEqual([two, one] as unknown as NotebookPanel[]);
});
