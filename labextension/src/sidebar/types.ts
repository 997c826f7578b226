/** What the kernel tells the sidebar, as `reson_jupyter/notebook/sidebar/state.py` writes it. Times are seconds since the epoch. */

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

export type Level = 'ok' | 'warning' | 'error';

/** One thing that was looked at when a cell ran, and how it came out. */
export interface Check {
  level: Level;
  text: string;
  /** The cell that could not be captured, if that is what it is about, as people call it; and its id as in `CaptureRow`. */
  cell?: string;
  cell_id?: string;
}

/** What a cell gave for a role, or why another could not be captured; or the project that is loaded, of no cell. */
export interface CaptureRow {
  /** Role, and of a command its name: what `forget` takes. */
  key: string;
  role: string;
  /** Class, function or project; "" if nothing is captured. */
  name: string;
  /** As people call it: "In[4]"; "" if nothing is captured. */
  cell: string;
  /** The notebook's id of that cell; "" if the front end that ran it gave none. */
  cell_id: string;
  /** Lines that ship. */
  lines: number;
  /** In words, of a project its folder; "" if it is not known. */
  size: string;
  checks: Check[];
}

/** A property of a form's schema, of JSON schema and of ours. */
export interface FieldSchema {
  title: string;
  type?: string;
  description?: string;
  default?: Json;
  enum?: Json[];
  minimum?: number;
  exclusiveMinimum?: number;
  maximum?: number;
  maxLength?: number;
  items?: { type: string };
  /** The environment variable that it comes from where nobody sets it. */
  env?: string;
  /** Whether somebody has set it here, so that `env` does not count. */
  chosen?: boolean;
  /** What it means if it is left open, which only such a field may be. */
  unset?: string;
}

/** Entries with names of the user's own and values of JSON. */
export interface Rows {
  title: string;
  help: string;
  /** The field that holds them all; "": each is a field of its own. What `set_rows` is told. */
  field: string;
  /** As they would be written: a page has no integers beyond 2^53, and no 1.0. */
  texts: Record<string, string>;
}

/** A secret that comes from the environment. */
export interface Key {
  name: string;
  variable: string;
  is_set: boolean;
}

export interface Form {
  id: 'training' | 'federation' | 'model' | 'target' | 'data' | 'run';
  title: string;
  schema: { type: 'object'; properties: Record<string, FieldSchema> };
  values: Record<string, Json>;
  rows: Rows | null;
  keys: Key[];
  /** Why what the environment says cannot be used. */
  problem: string;
}

export interface Shard {
  site: string;
  name: string;
  samples: number;
  bytes: number;
  /** Samples of each of `Data.classes`, in their order. */
  counts: number[];
}

/** What lies in the folder of shards, as it was when somebody looked last. */
export interface Data {
  /** The folder that was looked at; "" if none was, or another is configured since. */
  folder: string;
  headline: string;
  classes: string[];
  shards: Shard[];
  /** How many shards are not in `shards`. */
  more: number;
  problems: string[];
  warnings: string[];
  /** Why nobody could look. */
  error: string;
  /** When somebody looked. */
  looked: number;
  /** Whether the folder's zips are others since. */
  changed: boolean;
}

export type Action = 'check' | 'preview' | 'submit' | 'check_shards';

/** What goes on in the kernel for the sidebar just now. */
export interface Activity {
  action: Action;
  /** In words: which step of the rehearsal, how far the upload. */
  note: string;
  since: number;
}

export interface Submit {
  /** What stands in the way of each action; it can be done where there is nothing. */
  obstacles: Record<'check' | 'preview' | 'submit', string[]>;
  activity: Activity | null;
}

export interface RunRow {
  id: string;
  name: string;
  state: string;
  done: boolean;
  /** Rounds completed. */
  round: number;
  /** 0: not known. */
  rounds: number;
  started: number;
  ended: number | null;
  target: string;
  reason: string;
  /** Nobody could look at it: it may be otherwise by now, and `reason` says why. */
  unseen: boolean;
  /** Somebody has asked it to stop, and it is not over yet. */
  stopping: boolean;
}

export interface Runs {
  /** The newest first. */
  rows: RunRow[];
  /** How many older ones are not in `rows`. */
  more: number;
  /** Why the history cannot be read. */
  error: string;
}

/** Everything, in parts: a message carries whole parts. */
export interface State {
  captures: CaptureRow[];
  forms: Form[];
  data: Data;
  submit: Submit;
  runs: Runs;
}

export interface StateMessage {
  kind: 'state';
  version: number;
  full: boolean;
  parts: Partial<State>;
}

export interface ReplyMessage {
  kind: 'reply';
  id: string;
  ok: boolean;
  value?: Json;
  error?: CommandProblem;
}

/** Why the kernel refused a command. */
export interface CommandProblem {
  message: string;
  hint: string;
  /** What is wrong with which field, where that is known. */
  fields: Record<string, string>;
  /** More of it, such as the card of a rehearsal that failed; "" if there is none. */
  html: string;
}

/** What a command gives that is to be looked at: HTML without scripts, every value in it escaped. */
export interface Document {
  title: string;
  html: string;
  /** What is drawn in its place where it is a comparison of runs, as `comparison/compared.ts` reads it. */
  comparison?: Json;
}
