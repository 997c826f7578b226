import type { Channel, Command } from './channel';
import { isRecord } from './checks';
import { asLines } from './incoming';
import { RunModel } from './state';

/** Restarted, shut down, or for so long busy with code that lets no other thread run. */
const GONE_S = 20;

export interface Answer {
  op: string;
  ok: boolean;
  text: string;
}

/** The only part that talks to the kernel: letters in, commands out. One per channel, shared by the views of the run. */
export class Link {
  readonly model = new RunModel();
  /** Whether the kernel was heard since this page was opened. Until then nothing can be commanded. */
  live = false;
  /** The page's clock when the newest letter came, in milliseconds. */
  heard = performance.now();
  answer: Answer | null = null;
  /** Whether an abort was asked for that was not refused. Every view of the run shows it. */
  aborting = false;

  private readonly listeners = new Set<() => void>();
  private readonly askedRounds = new Set<number>();
  private readonly stop: () => void;
  private asked = -Infinity;

  constructor(private readonly channel: Channel) {
    this.model.apply(channel.letter);
    this.stop = channel.listen(content => this.take(content));
    this.ask();
  }

  /** The kernel's clock now; it stands still while the kernel was never heard, and where it was last heard if it is gone. */
  get now(): number {
    return this.model.clock + (this.live && !this.gone ? this.quiet : 0);
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
    this.aborting = true;
    this.send({ op: 'abort' });
    this.tellAll();
  }

  /** Asks what the values of a round (0-based) were that the full state had no room for. */
  askRound(round: number): void {
    if (this.live && !this.askedRounds.has(round)) {
      this.askedRounds.add(round);
      this.send({ op: 'round', round });
    }
  }

  subscribe(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  dispose(): void {
    this.stop();
    this.listeners.clear();
  }

  private take(content: unknown): void {
    if (!isRecord(content)) {
      return;
    }
    if (content['kind'] === 'answer') {
      this.answer = asAnswer(content);
      this.aborting &&= this.answer.ok;
    } else if (content['kind'] === 'round') {
      this.model.history.add(asLines(content['lines']));
    } else if (this.model.apply(content) === 'gap') {
      this.ask();
    }
    if (isRecord(content['message']) && content['message']['full'] === true) {
      this.askedRounds.clear();
    }
    // A full state that says nothing new still shows that the kernel is there.
    this.live = true;
    this.heard = performance.now();
    this.tellAll();
  }

  private tellAll(): void {
    this.listeners.forEach(listener => listener());
  }

  /** Asks for the full state, at most once in two seconds: a busy kernel answers all questions at once when it is free. */
  private ask(): void {
    if (performance.now() - this.asked > 2000) {
      this.asked = performance.now();
      this.send({ op: 'snapshot' });
    }
  }

  private send(command: Command): void {
    this.channel.send(command);
  }
}

function asAnswer({ op, ok, text }: Record<string, unknown>): Answer {
  return { op: String(op), ok: ok === true, text: String(text) };
}
