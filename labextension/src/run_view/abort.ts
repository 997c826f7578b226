import { element, setText } from './dom';
import type { Answer } from './link';

type Stage = 'ready' | 'asking' | 'sent';

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
    // Without this, Jupyter's single-key shortcuts would take Enter and Escape from the buttons.
    this.node.dataset['lmSuppressShortcuts'] = 'true';
    this.node.append(this.answer, this.question, this.yes, this.no, this.button);
    this.button.addEventListener('click', () => this.go('asking', this.no));
    this.no.addEventListener('click', () => this.go('ready', this.button));
    this.yes.addEventListener('click', () => {
      this.go('sent');
      this.onAbort();
    });
    this.node.addEventListener('keydown', event => {
      if (event.key === 'Escape' && this.stage === 'asking') {
        this.go('ready', this.button);
      }
    });
    this.go('ready');
  }

  update(possible: boolean, answer: Answer | null): void {
    this.button.disabled = !possible;
    this.yes.disabled = !possible;
    if (!possible && this.stage !== 'ready') {
      this.go('ready');
    }
    if (this.stage === 'sent' && answer && !answer.ok) {
      this.go('ready');
    }
    const refused = answer && !answer.ok ? answer.text : '';
    setText(this.answer, possible && this.stage === 'sent' ? 'Aborting…' : refused);
  }

  private go(stage: Stage, focus?: HTMLButtonElement): void {
    this.stage = stage;
    this.button.hidden = stage !== 'ready';
    this.question.hidden = this.yes.hidden = this.no.hidden = stage !== 'asking';
    setText(this.answer, stage === 'sent' ? 'Aborting…' : '');
    focus?.focus();
  }
}
