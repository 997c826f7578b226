import { useMemo, useSyncExternalStore } from 'react';

import { CommandError } from '../commands';
import type { CommandSender } from '../commands';
import type { CommandProblem, Json } from '../types';
import type { RowsChange } from './rows_edit';

/** Why a command was refused, whatever it was that went wrong. */
export function problemOf(error: unknown): CommandProblem {
  return error instanceof CommandError ? error.problem : { message: String(error), hint: '', fields: {}, html: '' };
}

export function sentence(problem: CommandProblem): string {
  return [problem.message, problem.hint].filter(Boolean).join(' ');
}

/** The edits of one form: which are on their way, and which the kernel has refused. */
export class Edits {
  private latest = 0;
  private readonly sent = new Map<string, number>();
  private readonly refused = new Map<string, string>();
  private readonly listeners = new Set<() => void>();
  private version = 0;

  constructor(private readonly link: CommandSender) {}

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  readonly snapshot = (): number => this.version;

  isPending(key: string): boolean {
    return this.sent.has(key);
  }

  /** What is wrong with the last edit of it; "" if nothing is. */
  message(key: string): string {
    return this.refused.get(key) ?? '';
  }

  /** Sets fields; `key` is where the edit was made, and where its refusal is told. Earlier refusals are not told any longer. */
  commit(key: string, fields: Record<string, Json>): Promise<boolean> {
    return this.send(key, 'configure', { fields }, Object.keys(fields));
  }

  /** Sets and drops rows, as `commit` does fields. */
  commitRows(key: string, change: RowsChange): Promise<boolean> {
    return this.send(key, 'set_rows', change, [...Object.keys(change.set), change.field]);
  }

  /** Refuses what cannot even be sent. */
  refuse(key: string, message: string): void {
    this.refused.clear();
    this.refused.set(key, message);
    this.announce();
  }

  private async send(key: string, op: string, args: Record<string, Json>, names: string[]): Promise<boolean> {
    const number = ++this.latest;
    this.sent.set(key, number);
    this.refused.clear();
    this.announce();
    const message = await this.link.send(op, args).then(
      () => '',
      error => this.reason(problemOf(error), [key, ...names])
    );
    // Of two edits of one field, only the later one's answer is worth anything.
    if (this.sent.get(key) === number) {
      this.sent.delete(key);
      if (message) {
        this.refused.set(key, message);
      }
    }
    this.announce();
    return !message;
  }

  private reason(problem: CommandProblem, names: string[]): string {
    const known = names.map(name => problem.fields[name]).find(Boolean);
    return sentence({ ...problem, message: known ?? problem.message });
  }

  private announce(): void {
    this.version++;
    this.listeners.forEach(listener => listener());
  }
}

export function useEdits(link: CommandSender): Edits {
  const edits = useMemo(() => new Edits(link), [link]);
  useSyncExternalStore(edits.subscribe, edits.snapshot);
  return edits;
}
