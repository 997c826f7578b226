import { History } from './history';
import { asLetter } from './incoming';
import type { Environments, Failures, Message, RunEvent, RunInfo, SiteRow, Stage } from './types';
import { DONE_STATES } from './types';

const EVENTS_KEPT = 8;

const EMPTY_RUN: RunInfo = {
  id: '',
  name: '',
  target: '',
  place: '',
  state: 'pending',
  sentence: '',
  reason: '',
  notes: [],
  warnings: [],
  links: [],
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

type Outcome = 'applied' | 'gap' | 'stale';

/** What the kernel has told about a run, folded together. Knows nothing of the page. */
export class RunModel {
  run: RunInfo = { ...EMPTY_RUN };
  sites = new Map<string, SiteRow>();
  events: RunEvent[] = [];
  failures = NO_FAILURES;
  environments: Environments | null = null;
  stages: Stage[] = [];
  readonly history = new History();
  version = -1;
  /** The kernel's clock at the newest letter. */
  clock = 0;

  get done(): boolean {
    return DONE_STATES.has(this.run.state);
  }

  get metrics(): string[] {
    return this.history.names;
  }

  /**
   * Takes the next letter. After a gap what arrived is right but not complete: the caller asks for the full state.
   * A letter that is older than what is known changes nothing; one of a kernel that started anew counts its versions anew.
   */
  apply(raw: unknown): Outcome {
    const letter = asLetter(raw);
    if (!letter) {
      return 'stale';
    }
    const { message, clock } = letter;
    const older = message.version < this.version || (message.version === this.version && !message.full);
    if (older && !(message.full && clock > this.clock)) {
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

  /** Every site that was ever named, in the order in which they became known: a site keeps its colour. */
  get siteNames(): string[] {
    return [...this.sites.keys()];
  }

  private forget(): void {
    this.run = { ...EMPTY_RUN };
    this.sites.clear();
    this.history.clear();
    this.events = [];
    this.failures = NO_FAILURES;
    this.environments = null;
    this.stages = [];
  }

  private fold(message: Message): void {
    Object.assign(this.run, message.run);
    for (const row of message.sites ?? []) {
      const known = this.site(row.site);
      this.sites.set(row.site, { ...known, ...row, metrics: { ...known.metrics, ...row.metrics } });
    }
    for (const { site } of message.lines ?? []) {
      if (site !== null) {
        this.sites.set(site, this.site(site));
      }
    }
    this.history.add(message.lines ?? []);
    this.history.thinned = Math.max(this.history.thinned, message.thinned ?? 0);
    this.events = [...this.events, ...(message.events ?? [])].slice(-EVENTS_KEPT);
    this.failures = message.failures ?? this.failures;
    this.environments = message.environments ?? this.environments;
    this.stages = message.stages ?? this.stages;
  }

  private site(name: string): SiteRow {
    return this.sites.get(name) ?? { ...BLANK_SITE, site: name, metrics: {} };
  }
}
