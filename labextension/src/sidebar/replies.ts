import { UUID } from '@lumino/coreutils';

import { CommandError } from './commands';
import type { Json, ReplyMessage } from './types';

interface Waiting {
  resolve: (value: Json) => void;
  reject: (error: CommandError) => void;
}

/** The commands that the kernel has not answered yet. */
export class Replies {
  private readonly waiting = new Map<string, Waiting>();

  /** Waits for the reply to the command that `send` sends with the id it is given. */
  expect(send: (id: string) => void): Promise<Json> {
    return new Promise((resolve, reject) => {
      const id = UUID.uuid4();
      this.waiting.set(id, { resolve, reject });
      send(id);
    });
  }

  take({ id, ok, value, error }: ReplyMessage): void {
    const waiting = this.waiting.get(id);
    this.waiting.delete(id);
    if (ok) {
      waiting?.resolve(value ?? null);
    } else {
      waiting?.reject(error ? new CommandError(error) : CommandError.because('The kernel refused it.'));
    }
  }

  /** No reply will come any more. */
  giveUp(message: string, hint: string): void {
    const given = [...this.waiting.values()];
    this.waiting.clear();
    given.forEach(({ reject }) => reject(CommandError.because(message, hint)));
  }
}
