// @vitest-environment happy-dom
import { expect, it } from 'vitest';

import { keepPlainKeys } from '../src/run_view/keys';

/** What a page takes that looks at keys as JupyterLab does: first at what has the focus, then at all that it is in. */
function pressed(init: KeyboardEventInit, nested = false): { taken: string[]; event: KeyboardEvent } {
  const page = document.createElement('div');
  const kept = document.createElement('div');
  const button = document.createElement('button');
  page.append(kept);
  kept.append(button);
  document.body.replaceChildren(page);
  const taken: string[] = [];
  page.addEventListener(
    'keydown',
    event => {
      for (let at = event.target as Element | null; at && !at.hasAttribute('data-lm-suppress-shortcuts'); at = at.parentElement) {
        if (at === page || at === button) {
          taken.push(event.key);
          event.preventDefault();
          return;
        }
      }
    },
    true
  );
  keepPlainKeys(kept);
  if (nested) {
    const inner = document.createElement('div');
    kept.append(inner);
    inner.append(button);
    keepPlainKeys(inner);
  }
  const event = new KeyboardEvent('keydown', { bubbles: true, cancelable: true, ...init });
  button.focus();
  button.dispatchEvent(event);
  return { taken, event };
}

it.each([{ ctrlKey: true }, { metaKey: true }, { altKey: true }])('hands keys with Ctrl, Cmd or Alt on, once: %o', modifier => {
  const { taken, event } = pressed({ key: 's', ...modifier });
  expect(taken).toEqual(['s']);
  // So that the browser does not save the page as well.
  expect(event.defaultPrevented).toBe(true);
});

it('hands them on from a part that is within another', () => {
  const { taken, event } = pressed({ key: 's', ctrlKey: true }, true);
  expect(taken).toEqual(['s']);
  expect(event.defaultPrevented).toBe(true);
});

it.each(['Enter', '0', 'd'])('keeps the plain key %s, which does what it does in the part', key => {
  const { taken, event } = pressed({ key });
  expect(taken).toEqual([]);
  expect(event.defaultPrevented).toBe(false);
});

it('keeps Shift with a key, which is how one types a capital', () => {
  expect(pressed({ key: 'A', shiftKey: true }).taken).toEqual([]);
});
