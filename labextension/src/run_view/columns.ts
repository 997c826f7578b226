import { bytes, count, value } from './format';
import type { RunModel } from './state';
import type { SiteRow } from './types';

const METRIC_COLUMNS = 6;

/** A column of the table of sites. */
export interface Column {
  title: string;
  isText: boolean;
  /** Whether it says how long ago, which grows by itself. */
  time: boolean;
  text(site: SiteRow): string;
  /** What it is sorted by. */
  key(site: SiteRow): number | string | null;
}

type Text = Column['text'];
type Key = Column['key'];

export function columnsOf(model: RunModel): Column[] {
  const measured = [...model.sites.values()].some(site => site.memory !== null);
  return [
    words('Site', site => site.site),
    words('Phase', site => site.phase || '–'),
    numbers('Round', place, site => site.round),
    numbers('Samples', site => count(site.samples), site => site.samples),
    ...model.metrics.slice(0, METRIC_COLUMNS).map(metric),
    ...(measured ? [numbers('Memory, CPU', load, site => site.memory)] : []),
    { ...numbers('Last seen', () => '', site => site.last_seen), time: true }
  ];
}

function words(title: string, text: Text): Column {
  return { title, isText: true, time: false, text, key: text };
}

function numbers(title: string, text: Text, key: Key): Column {
  return { title, isText: false, time: false, text, key };
}

function metric(name: string): Column {
  const raw = (site: SiteRow) => (Object.hasOwn(site.metrics, name) ? site.metrics[name] : null);
  return numbers(name, site => value(raw(site)), site => {
    const found = raw(site);
    return typeof found === 'number' ? found : null;
  });
}

function place({ round, step }: SiteRow): string {
  return round === null ? '–' : `${round + 1}${step === null ? '' : `, step ${step}`}`;
}

function load({ memory, cpu }: SiteRow): string {
  return memory === null ? '–' : `${bytes(memory)}, ${(cpu ?? 0).toFixed(0)} %`;
}
