import { caretDownIcon, caretRightIcon } from '@jupyterlab/ui-components';
import React, { useState } from 'react';

import { Mark } from './mark';
import type { Tone } from './mark';

interface Props {
  id: string;
  title: string;
  /** In a few words what is in it, while it is closed. */
  summary?: string;
  /** If something in it wants to be looked at. */
  tone?: Tone | null;
  startsOpen?: boolean;
  children: React.ReactNode;
}

/** A part of the sidebar that opens and closes, and stays so in this browser. */
export function Section({ id, title, summary, tone, startsOpen = true, children }: Props): JSX.Element {
  const [open, setOpen] = useRemembered(`reson-jupyter:section:${id}`, startsOpen);
  const Caret = (open ? caretDownIcon : caretRightIcon).react;
  return (
    <section className="jp-Reson-section" aria-labelledby={`reson-section-${id}`}>
      <h3>
        <button
          className="jp-Reson-sectionButton"
          id={`reson-section-${id}`}
          type="button"
          aria-expanded={open}
          aria-controls={`reson-content-${id}`}
          onClick={() => setOpen(!open)}
        >
          <Caret tag="span" width="16px" height="16px" />
          <span className="jp-Reson-sectionTitle">{title}</span>
          {tone && tone !== 'ok' && <Mark tone={tone} text={tone} />}
          {summary && !open && <span className="jp-Reson-summary">{summary}</span>}
        </button>
      </h3>
      <div className="jp-Reson-sectionContent" id={`reson-content-${id}`} hidden={!open}>
        {children}
      </div>
    </section>
  );
}

function useRemembered(key: string, start: boolean): [boolean, (value: boolean) => void] {
  const [value, setValue] = useState(() => recall(key) ?? start);
  const change = (next: boolean) => {
    setValue(next);
    keep(key, next);
  };
  return [value, change];
}

// A browser may forbid storage; sections then only forget.
function recall(key: string): boolean | null {
  try {
    const kept = localStorage.getItem(key);
    return kept === null ? null : kept === 'open';
  } catch {
    return null;
  }
}

function keep(key: string, open: boolean): void {
  try {
    localStorage.setItem(key, open ? 'open' : 'closed');
  } catch {
    // see above
  }
}
