import { useState } from 'react';

interface Draft<T> {
  value: T;
  /** What stood there before: what comes back to it was no edit. */
  base: T;
  sent: boolean;
}

export interface DraftField<T> {
  /** What stands in the field: the user's while it is typed and while it is on its way, else the kernel's. */
  value: T;
  change(value: T): void;
  finish(): void;
  cancel(): void;
}

/** What is typed here and only counts when it is finished; what comes from the kernel meanwhile does not overwrite it. */
export function useDraft<T>(
  current: T,
  commit: (value: T) => Promise<unknown>,
  same: (one: T, other: T) => boolean = Object.is
): DraftField<T> {
  const [draft, setDraft] = useState<Draft<T> | null>(null);
  const before = draft?.sent ? draft.value : (draft?.base ?? current);
  return {
    value: draft ? draft.value : current,
    change: value => setDraft({ value, base: before, sent: false }),
    cancel: () => setDraft(now => (now?.sent ? now : null)),
    finish: () => {
      if (!draft || draft.sent) {
        return;
      }
      if (same(draft.value, draft.base)) {
        setDraft(null);
        return;
      }
      const sent = { ...draft, sent: true };
      setDraft(sent);
      void commit(draft.value).finally(() => setDraft(now => (now === sent ? null : now)));
    }
  };
}

/** What is picked at once, such as a checkbox: it shows the pick until the kernel has answered. */
export function usePick<T>(current: T, commit: (value: T) => Promise<unknown>): [T, (value: T) => void] {
  const [pick, setPick] = useState<{ value: T } | null>(null);
  const choose = (value: T) => {
    const sent = { value };
    setPick(sent);
    void commit(value).finally(() => setPick(now => (now === sent ? null : now)));
  };
  return [pick ? pick.value : current, choose];
}
