/** What a page may tell the kernel of a run. Rounds are 0-based. */
export type Command = { op: 'abort' } | { op: 'snapshot' } | { op: 'round'; round: number };

/** The way between the view of a run and the kernel: a widget's model under a cell, a comm in the sidebar. */
export interface Channel {
  /** The letter that was there when the page opened, such as that of a widget's saved state; null if there is none. */
  readonly letter: unknown;
  /** Calls back with whatever the kernel sends, as it is; what is returned ends that. */
  listen(listener: (content: unknown) => void): () => void;
  send(command: Command): void;
}
