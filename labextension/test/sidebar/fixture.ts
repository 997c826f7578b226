import type { CommandSender } from '../../src/sidebar/commands';
import type { PageActions } from '../../src/sidebar/actions';
import type { Form, Json, State } from '../../src/sidebar/types';

export const HOSTILE = '<img src=x onerror="window.__x=1"></script>';

/** As `reson_jupyter/forms.py` draws it. */
export function trainingForm(values: Record<string, Json> = {}, own: Record<string, string> = {}): Form {
  return {
    id: 'training',
    title: 'Training',
    schema: {
      type: 'object',
      properties: {
        local_epochs: {
          title: 'local_epochs', type: 'integer', default: 2, minimum: 1, maximum: 10000,
          description: "Passes over a site's shard in each round."
        },
        batch_size: { title: 'batch_size', type: 'integer', default: 32, minimum: 1, maximum: 65536, description: 'Samples in a mini-batch.' },
        learning_rate: {
          title: 'learning_rate', type: 'number', default: 0.001, exclusiveMinimum: 0, maximum: 100, description: "The optimizer's learning rate."
        },
        augment: { title: 'augment', type: 'boolean', default: false, description: 'Whether training images are mirrored and shifted.' },
        manifest_file: { title: 'manifest_file', type: 'string', default: 'manifest.ndjson', description: "The manifest's name." },
        image_hosts: { title: 'image_hosts', type: 'array', items: { type: 'string' }, default: [], description: 'Hosts of https images.' }
      }
    },
    values: {
      local_epochs: 2, batch_size: 32, learning_rate: 0.001, augment: false, manifest_file: 'manifest.ndjson', image_hosts: [], ...values
    },
    rows: { title: 'Hyperparameters of your own', help: 'They reach your train function in env.', field: '', texts: own },
    keys: [],
    problem: ''
  };
}

function federationForm(): Form {
  return {
    id: 'federation',
    title: 'Federation',
    schema: {
      type: 'object',
      properties: {
        num_rounds: { title: 'num_rounds', type: 'integer', default: 5, minimum: 1, description: 'Rounds of training in all.' },
        min_clients: {
          title: 'min_clients', type: 'integer', minimum: 1, unset: 'every site', description: 'Sites whose update a round needs.'
        },
        wait_time_after_min_received: {
          title: 'wait_time_after_min_received', type: 'integer', default: 10, minimum: 0,
          description: 'Seconds a round still waits for the other sites once min_clients have answered.'
        }
      }
    },
    values: { num_rounds: 10, wait_time_after_min_received: 10 },
    rows: null,
    keys: [],
    problem: ''
  };
}

function modelForm(): Form {
  return {
    id: 'model',
    title: 'Model',
    schema: {
      type: 'object',
      properties: { model_class: { title: 'model_class', type: 'string', default: '', description: 'Class name; empty: as captured.' } }
    },
    values: { model_class: '' },
    rows: { title: 'Model arguments', help: 'Keyword arguments of the constructor.', field: 'model_args', texts: { width: '32', act: 'relu' } },
    keys: [],
    problem: ''
  };
}

function targetForm(): Form {
  return {
    id: 'target',
    title: 'Target & storage',
    schema: {
      type: 'object',
      properties: {
        target: { title: 'target', type: 'string', enum: ['local', 'flare', 'reson'], env: 'RESON_TARGET', description: 'Where runs go.' },
        store: { title: 'store', type: 'string', env: 'RESON_STORE', chosen: true, description: 'Where files lie.' },
        stale_captures: { title: 'stale_captures', type: 'string', enum: ['recapture', 'refuse'], default: 'recapture' }
      }
    },
    values: { target: 'local', store: 'file:///tmp/store', stale_captures: 'recapture' },
    rows: null,
    keys: [
      { name: 's3_access_key_id', variable: 'RESON_S3_KEY', is_set: true },
      { name: 'password', variable: 'RESON_PASSWORD', is_set: false }
    ],
    problem: ''
  };
}

function lineForm(id: 'data' | 'run', name: string, value: string): Form {
  return {
    id,
    title: id,
    schema: { type: 'object', properties: { [name]: { title: name, type: 'string', default: '', description: `The ${name}.` } } },
    values: { [name]: value },
    rows: null,
    keys: [],
    problem: ''
  };
}

const EMPTY = { name: '', cell: '', cell_id: '', lines: 0, size: '', checks: [] };

/** A kernel in the middle of things: made up, but each value could be one. */
export function madeUpState(): State {
  return {
    captures: [
      {
        key: 'model', role: 'model', name: 'Net', cell: 'In[4]', cell_id: 'cell-4', lines: 21, size: '421,642 parameters, 1.6 MB',
        checks: [
          { level: 'ok', text: 'forward returns one row for each image' },
          { level: 'ok', text: 'no secrets' },
          { level: 'warning', text: 'dropout of 0.9 leaves little to learn from' }
        ]
      },
      {
        key: 'train', role: 'train', name: '', cell: 'In[5]', cell_id: '', lines: 0, size: '',
        checks: [{ level: 'error', text: "The cell needs 'helper', which is in no cell. Add: from mine import helper" }]
      },
      { ...EMPTY, key: 'executor', role: 'executor' },
      { ...EMPTY, key: 'persistor', role: 'persistor' }
    ],
    forms: [
      trainingForm({ batch_size: 64 }, { dropout: '0.1', schedule: '{"kind": "cosine", "warm": [1, 2]}' }),
      federationForm(), modelForm(), targetForm(), lineForm('data', 'shards_dir', './shards'), lineForm('run', 'name', 'digits')
    ],
    data: {
      folder: './shards',
      headline: '3 shards, 3,600 samples, 3 classes',
      classes: ['zero', 'one', 'two'],
      shards: [
        { site: 'site-1', name: 'site-1.zip', samples: 1800, bytes: 4_100_000, counts: [600, 600, 600] },
        { site: 'site-2', name: 'site-2.zip', samples: 1200, bytes: 2_800_000, counts: [1000, 150, 50] },
        { site: 'hospital-of-a-rather-long-name', name: 'h.zip', samples: 600, bytes: 1_300_000, counts: [0, 200, 400] }
      ],
      more: 0,
      problems: [],
      warnings: ['site-2: 83 % of the samples are of one class'],
      error: '',
      looked: 1_700_000_000,
      changed: false
    },
    submit: { obstacles: { check: [], preview: [], submit: ['No shards are configured: set shards_dir.'] }, activity: null },
    runs: {
      rows: [
        madeUpRun('digits-20261122-1742-a1', { state: 'running', done: false, round: 3 }),
        madeUpRun('digits-20261122-1640-b2', { state: 'finished', round: 10 }),
        madeUpRun('digits-20261121-0900-c3', { state: 'failed', round: 1, reason: 'site-2: CUDA out of memory' })
      ],
      more: 4,
      error: ''
    }
  };
}

export function madeUpRun(id: string, more: Partial<State['runs']['rows'][number]>): State['runs']['rows'][number] {
  return {
    id, name: 'digits', state: 'finished', done: true, round: 0, rounds: 10,
    started: Date.now() / 1000 - 3700, ended: null, target: 'local', reason: '', stopping: false, unseen: false, ...more
  };
}

interface Asked {
  op: string;
  args: Record<string, Json>;
  answer: (value?: Json) => void;
  refuse: (error: Error) => void;
}

/** A kernel that answers when the test says so. */
export class FakeKernel implements CommandSender {
  readonly asked: Asked[] = [];

  send(op: string, args: Record<string, Json> = {}): Promise<Json> {
    return new Promise((resolve, reject) => {
      this.asked.push({ op, args, answer: (value = null) => resolve(value), refuse: reject });
    });
  }

  get last(): Asked {
    const last = this.asked.at(-1);
    if (!last) {
      throw new Error('nothing was asked');
    }
    return last;
  }
}

export class FakePage implements PageActions {
  readonly shown: unknown[][] = [];

  showCell(cellId: string, label: string): void {
    this.shown.push(['cell', cellId, label]);
  }

  showRun(id: string): void {
    this.shown.push(['run', id]);
  }

  showDocument(doc: { title: string; html: string }): void {
    this.shown.push(['document', doc]);
  }
}
