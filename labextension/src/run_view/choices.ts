import { flag, isRecord, many, text } from './checks';

/** More charts than this are looked at only by whoever asks for them; the table has every metric. */
export const CHARTS = 12;
const MOST_NAMES = 1_000;

/** What a reader has chosen to see of a run. It outlives the view, for as long as the page's tab is open. */
export class Choices {
  log = false;
  /** The line that stands out; null: all do. */
  picked: string | null = null;
  private hidden = new Set<string>();
  private added = new Set<string>();
  private readonly listeners = new Set<() => void>();
  private key = '';

  constructor(key = '') {
    this.belongTo(key);
  }

  /** Takes over what was chosen for this run, or for these runs, before. */
  belongTo(key: string): void {
    if (key === this.key) {
      return;
    }
    this.key = key;
    const kept = read(key);
    this.log = flag(kept['log']) ?? false;
    this.picked = text(kept['picked']) ?? null;
    this.hidden = new Set(many(text, MOST_NAMES)(kept['hidden']));
    this.added = new Set(many(text, MOST_NAMES)(kept['added']));
  }

  /** Those of the metrics that have a chart: the first ones, but for what was chosen otherwise. */
  shown(metrics: string[]): string[] {
    return metrics.filter((name, at) => this.added.has(name) || (at < CHARTS && !this.hidden.has(name)));
  }

  show(name: string, visible: boolean): void {
    this.hidden[visible ? 'delete' : 'add'](name);
    this.added[visible ? 'add' : 'delete'](name);
    this.changed();
  }

  useLog(log: boolean): void {
    this.log = log;
    this.changed();
  }

  /** Lets a line stand out, or all of them if it does already. */
  pick(name: string | null): void {
    this.picked = name === this.picked ? null : name;
    this.changed();
  }

  subscribe(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  private changed(): void {
    const { log, picked, hidden, added } = this;
    write(this.key, { log, picked, hidden: [...hidden], added: [...added] });
    this.listeners.forEach(listener => listener());
  }
}

function read(key: string): Record<string, unknown> {
  try {
    const kept: unknown = JSON.parse(sessionStorage.getItem(`reson-view:${key}`) ?? '{}');
    return isRecord(kept) ? kept : {};
  } catch {
    return {}; // a page that may keep nothing
  }
}

function write(key: string, kept: object): void {
  try {
    sessionStorage.setItem(`reson-view:${key}`, JSON.stringify(kept));
  } catch {
    // A page that may keep nothing shows the choice all the same.
  }
}
