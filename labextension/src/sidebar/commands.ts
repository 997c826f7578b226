import type { CommandProblem, Json } from './types';

/** Sends a command to the kernel; there is one answer to each. */
export interface CommandSender {
  /** Rejects with a `CommandError` if the kernel refuses, or if it goes before it has answered. */
  send(op: string, args?: Record<string, Json>): Promise<Json>;
}

/** Why a command was not done, in words for people. */
export class CommandError extends Error {
  constructor(readonly problem: CommandProblem) {
    super(problem.message);
    this.name = 'CommandError';
  }

  static because(message: string, hint = ''): CommandError {
    return new CommandError({ message, hint, fields: {}, html: '' });
  }
}
