import type { Environments, Failures, Letter, Message, Point, RunEvent, RunInfo, SiteRow, Value } from './types';
import { DONE_STATES } from './types';

const EVENTS_KEPT = 8;
const ORDER = ['loss', 'accuracy', 'val_loss', 'val_accuracy', 'train_loss', 'train_accuracy'];

const EMPTY_RUN: RunInfo = {
  id: '',
  name: '',
  target: '',
  place: '',
  state: 'pending',
  sentence: '',
  reason: '',
  notes: [],
  round: 0,
  rounds: 0,
  started: null,
  ended: null,
  remaining: null,
  now: null,
  stopping: null,
  offer: '',
  preparing: false
};

const BLANK_SITE = {
  phase: '',
  round: null,
  step: null,
  samples: null,
  memory: null,
  cpu: null,
  last_seen: null,
  stalled: '',
  problem: null
};
const NO_FAILURES: Failures = { cards: [], more: 0 };

/** One metric over the rounds, ready to be drawn: every list is as long as `rounds`. */
export interface MetricTable {
  name: string;
  /** 1-based, ascending. */
  rounds: number[];
  sites: { site: string; values: (number | null)[] }[];
  mean: (number | null)[];
}

type Outcome = 'applied' | 'gap' | 'stale';

/** What the kernel has told about a run, folded together. Knows nothing of the page. */
export class RunModel {
  run: RunInfo = { ...EMPTY_RUN };
  sites = new Map<string, SiteRow>();
  events: RunEvent[] = [];
  failures = NO_FAILURES;
  environments: Environments | null = null;
  version = -1;
  /** The kernel's clock at the newest letter. */
  clock = 0;

  /** Values by metric, then site (null: the mean), then round. */
  private values = new Map<string, Map<string | null, Map<number, Value>>>();

  get done(): boolean {
    return DONE_STATES.has(this.run.state);
  }

  get metrics(): string[] {
    return [...this.values.keys()].sort(byImportance);
  }

  /**
   * Takes the next letter. After a gap what arrived is right but not complete: the caller asks for the full state.
   * A letter that is older than what is known changes nothing.
   */
  apply(letter: unknown): Outcome {
    if (!isLetter(letter)) {
      return 'stale';
    }
    const { message, clock } = letter;
    if (message.version < this.version || (message.version === this.version && !message.full)) {
      return 'stale';
    }
    const gap = !message.full && message.version !== this.version + 1;
    if (message.full) {
      this.forget();
    }
    this.fold(message);
    // With the old version kept, the next delta is a gap again: whoever asks is asked until the full state has come.
    if (!gap) {
      this.version = message.version;
    }
    this.clock = clock;
    return gap ? 'gap' : 'applied';
  }

  table(name: string): MetricTable {
    const bySite = this.values.get(name) ?? new Map<string | null, Map<number, Value>>();
    const rounds = [...new Set([...bySite.values()].flatMap(values => [...values.keys()]))].sort((a, b) => a - b);
    const line = (site: string | null) => rounds.map(round => finite(bySite.get(site)?.get(round)));
    const sites = this.siteNames.filter(site => bySite.has(site)).map(site => ({ site, values: line(site) }));
    return { name, rounds: rounds.map(round => round + 1), sites, mean: line(null) };
  }

  /** Every site that was ever named, in the order in which they became known: a site keeps its colour. */
  get siteNames(): string[] {
    return [...this.sites.keys()];
  }

  private forget(): void {
    this.run = { ...EMPTY_RUN };
    this.sites.clear();
    this.values.clear();
    this.events = [];
    this.failures = NO_FAILURES;
    this.environments = null;
  }

  private fold(message: Message): void {
    Object.assign(this.run, message.run);
    for (const row of message.sites ?? []) {
      const known = this.site(row.site);
      this.sites.set(row.site, { ...known, ...row, metrics: { ...known.metrics, ...row.metrics } });
    }
    for (const point of message.points ?? []) {
      this.point(point);
    }
    this.events = [...this.events, ...(message.events ?? [])].slice(-EVENTS_KEPT);
    this.failures = message.failures ?? this.failures;
    this.environments = message.environments ?? this.environments;
  }

  private point({ name, site, round, value }: Point): void {
    if (site !== null) {
      this.sites.set(site, this.site(site));
    }
    const bySite = this.values.get(name) ?? new Map<string | null, Map<number, Value>>();
    const byRound = bySite.get(site) ?? new Map<number, Value>();
    this.values.set(name, bySite.set(site, byRound.set(round, value)));
  }

  private site(name: string): SiteRow {
    return this.sites.get(name) ?? { ...BLANK_SITE, site: name, metrics: {} };
  }
}

function finite(value: Value | undefined): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}

/** Losses and accuracies by their usual names first, everything else by name. */
function byImportance(a: string, b: string): number {
  const rank = (name: string) => {
    const place = ORDER.indexOf(name);
    return place < 0 ? Number.MAX_SAFE_INTEGER : place;
  };
  return rank(a) - rank(b) || a.localeCompare(b);
}

function isLetter(value: unknown): value is Letter {
  const letter = value as Letter | null;
  return (
    typeof letter === 'object' &&
    typeof letter?.clock === 'number' &&
    typeof letter.message === 'object' &&
    typeof letter.message?.version === 'number'
  );
}
