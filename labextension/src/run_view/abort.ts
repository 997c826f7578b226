import { element, setText } from './dom';
import type { Answer } from './link';

type Stage = 'ready' | 'asking';

/** Stops the run after a second click; says what became of it. */
export class AbortButton {
  readonly node = element('div', 'reson-abort');
  private readonly button = element('button', 'reson-button', 'Abort', { type: 'button' });
  private readonly question = element('span', 'reson-question', 'Abort this run?');
  private readonly yes = element('button', 'reson-button reson-danger', 'Yes, abort', { type: 'button' });
  private readonly no = element('button', 'reson-button', 'Keep running', { type: 'button' });
  private readonly answer = element('span', 'reson-answer', '', { role: 'status' });
  private stage: Stage = 'ready';

  constructor(private readonly onAbort: () => void) {
    this.node.append(this.answer, this.question, this.yes, this.no, this.button);
    this.button.addEventListener('click', () => this.go('asking', this.no));
    this.no.addEventListener('click', () => this.go('ready', this.button));
    this.yes.addEventListener('click', () => {
      this.go('ready');
      this.update(true, true, null);
      this.onAbort();
    });
    this.node.addEventListener('keydown', event => {
      if (event.key === 'Escape' && this.stage === 'asking') {
        this.go('ready', this.button);
      }
    });
    this.go('ready');
  }

  /** @param aborting - Whether it was asked for, and nothing has been heard of the end yet. */
  update(possible: boolean, aborting: boolean, answer: Answer | null): void {
    const open = possible && !aborting;
    this.button.disabled = !open;
    this.yes.disabled = !open;
    if (!open && this.stage !== 'ready') {
      this.go('ready');
    }
    this.button.hidden = aborting || this.stage !== 'ready';
    const refused = answer && !answer.ok ? answer.text : '';
    setText(this.answer, aborting ? 'Aborting…' : refused);
  }

  private go(stage: Stage, focus?: HTMLButtonElement): void {
    this.stage = stage;
    this.button.hidden = stage !== 'ready';
    this.question.hidden = this.yes.hidden = this.no.hidden = stage !== 'asking';
    focus?.focus();
  }
}
