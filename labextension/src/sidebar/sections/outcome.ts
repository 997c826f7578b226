import type { PageActions } from '../actions';
import type { CommandSender } from '../commands';
import { problemOf } from '../forms/edits';
import type { CommandProblem, Document, Json } from '../types';

export type RunAction = 'check' | 'preview' | 'submit';

/** How the last action came out, and what more there is to see of it. */
export interface Outcome {
  ok: boolean;
  text: string;
  hint: string;
  details: Document | null;
}

const DONE: Record<RunAction, string> = { check: 'Checked: it can be submitted.', preview: 'Preview opened beside the notebook.', submit: 'Submitted.' };
export const TITLES: Record<RunAction, string> = { check: 'Check', preview: 'Preview', submit: 'Submit' };

/** Has the kernel do it, shows what it gives, and says how it came out; never rejects. */
export async function act(action: RunAction, link: CommandSender, page: PageActions): Promise<Outcome> {
  try {
    return done(action, await link.send(action), page);
  } catch (error) {
    return refused(action, problemOf(error));
  }
}

function done(action: RunAction, value: Json, page: PageActions): Outcome {
  const details = documentOf(value);
  if (action === 'submit') {
    page.showRun(runOf(value));
  } else if (action === 'preview' && details) {
    page.showDocument(details);
  }
  return { ok: true, text: DONE[action], hint: '', details };
}

function refused(action: RunAction, { message, hint, html }: CommandProblem): Outcome {
  return { ok: false, text: message, hint, details: html ? { title: `${TITLES[action]}: what is wrong`, html } : null };
}

export function documentOf(value: Json): Document | null {
  const found = value as Partial<Document> | null;
  if (typeof found?.html !== 'string') {
    return null;
  }
  const { title = '', html, comparison } = found;
  return { title, html, ...(comparison && { comparison }) };
}

function runOf(value: Json): string {
  return String((value as { run?: string } | null)?.run ?? '');
}
