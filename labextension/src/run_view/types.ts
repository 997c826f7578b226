/** The messages of the kernel, as `reson_jupyter/notebook/live/run_snapshot.py` writes them. Times are seconds since the epoch. */

export interface RunInfo {
  id: string;
  name: string;
  target: string;
  /** Where the target runs it, such as a federation's server. */
  place: string;
  state: string;
  sentence: string;
  reason: string;
  /** How the job was made. */
  notes: string[];
  /** Of that, what deserves attention. */
  warnings: string[];
  /** Where the run can be looked at elsewhere. */
  links: string[];
  /** Rounds completed. */
  round: number;
  rounds: number;
  started: number | null;
  ended: number | null;
  remaining: number | null;
  now: number | null;
  /** When sites that have not ended by themselves are ended; null unless the end was asked for. */
  stopping: number | null;
  /** What is left of a run that has no final model. */
  offer: string;
  /** Whether the sites get ready for the first round. */
  preparing: boolean;
}

/** JSON has no NaN or infinity: those arrive as text. */
export type Value = number | string | null;

export interface SiteRow {
  site: string;
  phase: string;
  /** 0-based. */
  round: number | null;
  step: number | null;
  samples: number | null;
  metrics: Record<string, Value>;
  /** Bytes. */
  memory: number | null;
  /** Percent of one core. */
  cpu: number | null;
  last_seen: number | null;
  /** Where it makes no progress, in words. */
  stalled: string;
  problem: string | null;
}

/** Values of one metric over the rounds, at one site. */
export interface Line {
  name: string;
  /** null: the mean over the sites, weighted by samples. */
  site: string | null;
  /** 0-based. */
  rounds: number[];
  /** As long as `rounds`. */
  values: Value[];
}

/** A part of a run. */
export interface Stage {
  name: string;
  state: 'done' | 'active' | 'ahead';
  /** How far it is. */
  text: string;
}

export interface RunEvent {
  time: number;
  level: string;
  site: string | null;
  text: string;
}

/** A call in the user's code with its source lines (number, text, whether it is the call's), or calls in libraries, folded. */
export interface Step {
  title: string;
  lines: [number, string, boolean][];
  folded: string;
}

export interface FailureCard {
  who: string;
  headline: string;
  message: string;
  steps: Step[];
  cause: string;
  fix: string;
  traceback: string;
}

export interface Failures {
  cards: FailureCard[];
  /** Errors that are on none of the cards. */
  more: number;
}

export interface EnvironmentRow {
  site: string;
  /** One for each column: its text, and whether it stands out. */
  cells: [string, boolean][];
  problems: string[];
  notes: string[];
}

/** What the sites said before the first round that they have. */
export interface Environments {
  summary: string;
  /** Whether somebody should look. */
  wrong: boolean;
  columns: string[];
  rows: EnvironmentRow[];
}

/** A delta carries only what changed; a full message everything. */
export interface Message {
  version: number;
  full: boolean;
  run?: Partial<RunInfo>;
  sites?: (Partial<SiteRow> & { site: string })[];
  lines?: Line[];
  /** Of a full message: rounds before this (0-based) may lack values that there were. */
  thinned?: number;
  events?: RunEvent[];
  failures?: Failures;
  environments?: Environments | null;
  stages?: Stage[];
}

/** A message and the kernel's clock when it was sent. */
export interface Letter {
  clock: number;
  message: Message;
}

export const DONE_STATES: ReadonlySet<string> = new Set(['finished', 'degraded', 'failed', 'aborted', 'lost']);
