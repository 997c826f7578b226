import { AbortButton } from './abort';
import { Notices } from './notes';
import { element, setText } from './dom';
import { clockTime, duration } from './format';
import type { Link } from './link';
import type { RunModel } from './state';
import type { RunInfo } from './types';

const TONES: Record<string, string> = { finished: 'good', degraded: 'warn', failed: 'bad', lost: 'bad', aborted: 'idle' };
const STOPPING = 'The run was asked to stop and is ending.';
/** Silence for longer than this is worth a word. */
const QUIET_S = 10;

/** State, progress and time of the run, and the button that stops it. */
export class Header {
  readonly node = element('header', 'reson-header');
  private readonly pill = element('span', 'reson-pill');
  private readonly name = element('span', 'reson-name');
  private readonly stopping = element('span', 'reson-stopping');
  private readonly target = element('span', 'reson-target');
  private readonly sentence = element('p', 'reson-sentence');
  private readonly offer = element('p', 'reson-sentence');
  private readonly notices = new Notices();
  private readonly bar = element('div', 'reson-bar', '', { role: 'progressbar', 'aria-label': 'Rounds', 'aria-valuemin': '0' });
  private readonly filled = element('div', 'reson-bar-filled');
  private readonly rounds = element('span', 'reson-rounds');
  private readonly times = element('span', 'reson-times');
  private readonly abort: AbortButton;

  constructor(private readonly link: Link) {
    this.abort = new AbortButton(() => link.abort());
    const top = element('div', 'reson-top');
    const title = element('div', 'reson-title');
    title.append(this.pill, this.stopping, this.name, this.target);
    top.append(title, this.abort.node);
    // Said by a screen reader when it changes; the ticking times are not in it.
    const status = element('div', '', '', { role: 'status' });
    status.append(this.sentence, this.offer);
    this.bar.append(this.filled);
    const facts = element('div', 'reson-facts');
    facts.append(this.rounds, this.times);
    this.node.append(top, status, this.notices.node, this.bar, facts);
  }

  update(): void {
    const { model } = this.link;
    const { run } = model;
    this.bar.dataset['tone'] = TONES[run.state] ?? 'busy';
    setText(this.name, run.name || run.id);
    this.name.title = run.id;
    setText(this.target, run.target && `on ${[run.target, run.place].filter(Boolean).join(', ')} · ${run.id}`);
    setText(this.offer, run.offer);
    this.notices.update(run.warnings, run.links);
    this.progress(model);
    this.tick();
  }

  tick(): void {
    const { model, live, answer, aborting, gone } = this.link;
    const { run } = model;
    const going = live && !model.done && !gone;
    const stopping = !model.done && !gone ? run.stopping : null;
    const asked = stopping !== null || (going && aborting);
    const said = [asked ? STOPPING : run.sentence, run.reason].filter(Boolean).join(' ');
    const lost = `Nothing was heard of the kernel that showed this run; the run itself may go on. Show it again: reson.attach('${run.id}')`;
    setText(this.sentence, gone ? lost : said);
    setText(this.pill, asked ? 'stopping' : run.state);
    this.pill.dataset['tone'] = gone ? 'idle' : asked ? 'warn' : (TONES[run.state] ?? 'busy');
    setText(this.stopping, stopping === null ? '' : countdown(stopping - this.link.now));
    this.stopping.hidden = stopping === null;
    // Nobody is there yet, or any more, that could be told.
    this.abort.node.hidden = !live;
    const possible = going && stopping === null;
    this.abort.update(possible, possible && aborting, answer);
    setText(this.times, times(this.link));
  }

  private progress({ run }: RunModel): void {
    const part = run.rounds ? Math.min(1, run.round / run.rounds) : 0;
    this.filled.style.width = `${100 * part}%`;
    this.bar.setAttribute('aria-valuemax', String(run.rounds));
    this.bar.setAttribute('aria-valuenow', String(run.round));
    const text = roundText(run);
    this.bar.setAttribute('aria-valuetext', text);
    setText(this.rounds, run.rounds ? text : '');
  }
}

function roundText({ state, round, rounds, preparing }: RunInfo): string {
  if (state !== 'running' || round >= rounds) {
    return `${round} of ${rounds} rounds done`;
  }
  return preparing ? `Before round 1 of ${rounds}` : `Round ${round + 1} of ${rounds}`;
}

function countdown(seconds: number): string {
  return seconds > 0 ? `forced in ${duration(Math.ceil(seconds))}` : 'being forced';
}

function times({ model, now, live, quiet, gone }: Link): string {
  const { started, ended, remaining, stopping, now: told } = model.run;
  const parts: string[] = [];
  if (started !== null) {
    parts.push(model.done ? `took ${duration((ended ?? now) - started)}` : `${duration(now - started)} elapsed`);
  }
  if (gone) {
    parts.push(`last heard ${clockTime(model.clock)}`);
  }
  if (model.done || gone) {
    return parts.join(' · ');
  }
  if (remaining !== null && stopping === null) {
    const left = remaining - (told === null ? 0 : now - told);
    parts.push(left > 1 ? `about ${duration(left)} remaining` : 'nearly done');
  }
  if (quiet > QUIET_S) {
    parts.push(live ? `last news ${duration(quiet)} ago` : 'the kernel has not answered: it is busy or gone');
  }
  return parts.join(' · ');
}
