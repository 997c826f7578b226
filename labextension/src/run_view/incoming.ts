import { every, flag, isRecord, many, number, orNull, pair, some, text, whole } from './checks';
import type { Check } from './checks';
import type { Environments, Failures, Letter, Line, Message, RunEvent, RunInfo, SiteRow, Stage, Step, Value } from './types';

const MOST_SITES = 5_000;
const MOST_LINES = 20_000;
const MOST_ENTRIES = 100;
const MOST_METRICS = 1_000;

const value: Check<Value> = raw => (raw === null ? null : (text(raw) ?? number(raw)));

const metrics: Check<Record<string, Value>> = raw => {
  if (!isRecord(raw)) {
    return undefined;
  }
  const pairs = Object.entries(raw).slice(0, MOST_METRICS);
  return Object.fromEntries(pairs.flatMap(([name, entry]) => [[name, value(entry)] as const].filter(([, found]) => found !== undefined))) as
    Record<string, Value>;
};

const run = some<RunInfo>({
  id: text,
  name: text,
  target: text,
  place: text,
  state: text,
  sentence: text,
  reason: text,
  notes: many(text, MOST_ENTRIES),
  warnings: many(text, MOST_ENTRIES),
  links: many(text, MOST_ENTRIES),
  round: whole,
  rounds: whole,
  started: orNull(number),
  ended: orNull(number),
  remaining: orNull(number),
  now: orNull(number),
  stopping: orNull(number),
  offer: text,
  preparing: flag
});

const siteParts = some<SiteRow>({
  site: text,
  phase: text,
  round: orNull(whole),
  step: orNull(number),
  samples: orNull(number),
  metrics,
  memory: orNull(number),
  cpu: orNull(number),
  last_seen: orNull(number),
  stalled: text,
  problem: orNull(text)
});
const site: Check<Partial<SiteRow> & { site: string }> = raw => {
  const found = siteParts(raw);
  return found?.site === undefined ? undefined : { ...found, site: found.site };
};

const event = every<RunEvent>({ time: number, level: text, site: orNull(text), text });

const sourceLine: Check<[number, string, boolean]> = raw => {
  const [at, line, called] = Array.isArray(raw) ? [number(raw[0]), text(raw[1]), flag(raw[2])] : [];
  return at === undefined || line === undefined || called === undefined ? undefined : [at, line, called];
};
const step = every<Step>({ title: text, lines: many(sourceLine, MOST_ENTRIES), folded: text });
const card = every<Failures['cards'][number]>({
  who: text,
  headline: text,
  message: text,
  steps: many(step, MOST_ENTRIES),
  cause: text,
  fix: text,
  traceback: text
});
const failures = every<Failures>({ cards: many(card, MOST_ENTRIES), more: whole });

const environmentRow = every<Environments['rows'][number]>({
  site: text,
  cells: many(pair(text, flag), MOST_ENTRIES),
  problems: many(text, MOST_ENTRIES),
  notes: many(text, MOST_ENTRIES)
});
const environments = every<Environments>({
  summary: text,
  wrong: flag,
  columns: many(text, MOST_ENTRIES),
  rows: many(environmentRow, MOST_SITES)
});

const stageState: Check<Stage['state']> = raw => (raw === 'done' || raw === 'active' || raw === 'ahead' ? raw : undefined);
const stage = every<Stage>({ name: text, state: stageState, text });

/** Points that do not fit are left out; a line whose rounds and values are not as many is none. */
const line: Check<Line> = raw => {
  const { name, site: of, rounds, values } = isRecord(raw) ? raw : {};
  const label = orNull(text)(of);
  if (typeof name !== 'string' || label === undefined || !Array.isArray(rounds) || !Array.isArray(values)) {
    return undefined;
  }
  const points = rounds.length === values.length ? rounds.map((round, at) => [whole(round), value(values[at])] as const) : [];
  const fitting = points.filter((point): point is readonly [number, Value] => point[0] !== undefined && point[1] !== undefined);
  return { name, site: label, rounds: fitting.map(([round]) => round), values: fitting.map(([, found]) => found) };
};

/** Lines of metrics, as far as they are any. */
export function asLines(raw: unknown): Line[] {
  return many(line, MOST_LINES)(raw) ?? [];
}

const message = some<Message>({
  version: number,
  full: flag,
  run,
  sites: many(site, MOST_SITES),
  lines: many(line, MOST_LINES),
  thinned: whole,
  events: many(event, MOST_ENTRIES),
  failures,
  environments: orNull(environments),
  stages: many(stage, MOST_ENTRIES)
} as { [K in keyof Message]-?: Check<Message[K]> });

/** The letter, without whatever in it is not as it must be; undefined if it is none. */
export function asLetter(raw: unknown): Letter | undefined {
  const { clock, message: told } = isRecord(raw) ? raw : {};
  const [at, found] = [number(clock), message(told)];
  return at === undefined || found?.version === undefined ? undefined : { clock: at, message: { full: false, ...found } as Message };
}
