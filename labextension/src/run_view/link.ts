import type { AnyModel } from '@anywidget/types';

import { RunModel } from './state';
import type { Letter } from './types';

/** Restarted, shut down, or for so long busy with code that lets no other thread run. */
const GONE_S = 20;

/** What is synchronised with the Python widget. */
export interface Traits extends Record<string, unknown> {
  snapshot: Letter;
  nonce: string;
}

export interface Answer {
  op: string;
  ok: boolean;
  text: string;
}

/** The only part that talks to the kernel: letters in, commands out. One per widget model, shared by its views. */
export class Link {
  readonly model = new RunModel();
  /** Whether the kernel was heard since this page was opened. Until then nothing can be commanded. */
  live = false;
  /** The page's clock when the newest letter came, in milliseconds. */
  heard = performance.now();
  answer: Answer | null = null;

  private readonly listeners = new Set<() => void>();
  private asked = -Infinity;

  constructor(private readonly widget: AnyModel<Traits>) {
    this.model.apply(widget.get('snapshot'));
    widget.on('change:snapshot', this.onSnapshot);
    widget.on('msg:custom', this.onMessage);
    this.ask();
  }

  /** The kernel's clock now; it stands still while the kernel was never heard. */
  get now(): number {
    return this.model.clock + (this.live ? (performance.now() - this.heard) / 1000 : 0);
  }

  /** Seconds since the kernel was last heard. It gives a sign every few seconds, so a long silence means that it is gone. */
  get quiet(): number {
    return (performance.now() - this.heard) / 1000;
  }

  get gone(): boolean {
    return this.live && !this.model.done && this.quiet > GONE_S;
  }

  abort(): void {
    this.answer = null;
    this.send('abort');
  }

  subscribe(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  dispose(): void {
    this.widget.off('change:snapshot', this.onSnapshot);
    this.widget.off('msg:custom', this.onMessage);
    this.listeners.clear();
  }

  private readonly onSnapshot = (): void => {
    this.take(this.widget.get('snapshot'));
  };

  private readonly onMessage = (content: { kind?: unknown }): void => {
    if (content?.kind === 'delta') {
      this.take(content);
    } else if (content?.kind === 'answer') {
      this.answer = content as unknown as Answer;
      this.changed();
    }
  };

  private take(letter: unknown): void {
    const outcome = this.model.apply(letter);
    if (outcome === 'gap') {
      this.ask();
    }
    // A full state that says nothing new still shows that the kernel is there.
    this.live = true;
    this.heard = performance.now();
    this.changed();
  }

  /** Asks for the full state, at most once in two seconds: a busy kernel answers all questions at once when it is free. */
  private ask(): void {
    if (performance.now() - this.asked > 2000) {
      this.asked = performance.now();
      this.send('snapshot');
    }
  }

  private send(op: string): void {
    this.widget.send({ op, nonce: this.widget.get('nonce') });
  }

  private changed(): void {
    this.listeners.forEach(listener => listener());
  }
}
