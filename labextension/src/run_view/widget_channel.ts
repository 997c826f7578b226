import type { AnyModel } from '@anywidget/types';

import type { Channel, Command } from './channel';

/** What is synchronised with the Python widget. */
export interface Traits extends Record<string, unknown> {
  snapshot: unknown;
  nonce: unknown;
}

/** The channel of a widget under a cell: the full state is a trait, everything else comes and goes as messages. */
export class WidgetChannel implements Channel {
  constructor(private readonly widget: AnyModel<Traits>) {}

  get letter(): unknown {
    return this.widget.get('snapshot');
  }

  listen(listener: (content: unknown) => void): () => void {
    const onSnapshot = () => listener(this.letter);
    this.widget.on('change:snapshot', onSnapshot);
    this.widget.on('msg:custom', listener);
    return () => {
      this.widget.off('change:snapshot', onSnapshot);
      this.widget.off('msg:custom', listener);
    };
  }

  send(command: Command): void {
    this.widget.send({ ...command, nonce: this.widget.get('nonce') });
  }
}
