// @vitest-environment happy-dom
import { expect, it, vi } from 'vitest';

import { AbortButton } from '../run_view/abort';
import { EventList } from '../run_view/events';
import { RunModel } from '../run_view/state';
import { SiteTable } from '../run_view/table';

const HOSTILE = '<img src=x onerror="window.__x=1"></script>';

it('a hostile name of a site, metric or problem is text in the table', () => {
  const model = new RunModel();
  const row = { site: HOSTILE, phase: HOSTILE, problem: HOSTILE, metrics: { [HOSTILE]: 1 } };
  const points = [{ name: HOSTILE, site: HOSTILE, round: 0, value: 1 }];
  model.apply({ clock: 1, message: { version: 1, full: true, sites: [row], points } });
  const table = new SiteTable();
  table.update(model, 1);
  expect(table.node.querySelector('img')).toBeNull();
  expect(table.node.textContent?.split(HOSTILE)).toHaveLength(5);
});

it('a hostile event is text in the list', () => {
  const list = new EventList();
  list.update([{ time: 0, level: 'error', site: HOSTILE, text: HOSTILE }]);
  expect(list.node.querySelector('img')).toBeNull();
});

it('the table lets "last seen" grow without being told', () => {
  const model = new RunModel();
  model.apply({ clock: 1, message: { version: 1, full: true, sites: [{ site: 'a', last_seen: 10 }] } });
  const table = new SiteTable();
  table.update(model, 12);
  table.tick(15);
  expect(table.node.textContent).toContain('5 s ago');
});

function abortButton(): { click: (label: string) => void; shown: () => string[]; onAbort: () => void; button: AbortButton } {
  const onAbort = vi.fn();
  const button = new AbortButton(onAbort);
  const all = () => [...button.node.querySelectorAll('button')];
  return {
    button,
    onAbort,
    shown: () => all().filter(entry => !entry.hidden).map(entry => entry.textContent ?? ''),
    click: label => all().find(entry => entry.textContent === label)?.click()
  };
}

it('abort asks first, and only the second click aborts', () => {
  const { button, click, onAbort, shown } = abortButton();
  button.update(true, null);
  click('Abort');
  expect(shown()).toEqual(['Yes, abort', 'Keep running']);
  expect(onAbort).not.toHaveBeenCalled();
  click('Yes, abort');
  expect(onAbort).toHaveBeenCalledOnce();
});

it('abort can be thought better of', () => {
  const { button, click, onAbort, shown } = abortButton();
  button.update(true, null);
  click('Abort');
  click('Keep running');
  expect(shown()).toEqual(['Abort']);
  expect(onAbort).not.toHaveBeenCalled();
});

it('abort is not possible before the kernel was heard or after the end', () => {
  const { button, click, shown } = abortButton();
  button.update(false, null);
  click('Abort');
  expect(shown()).toEqual(['Abort']);
  expect(button.node.querySelector('button:not([hidden])')?.hasAttribute('disabled')).toBe(true);
});

it('a refused abort says why and can be tried again', () => {
  const { button, click, shown } = abortButton();
  button.update(true, null);
  click('Abort');
  click('Yes, abort');
  button.update(true, { op: 'abort', ok: false, text: 'Not aborted: the store is away' });
  expect(button.node.textContent).toContain('the store is away');
  expect(shown()).toEqual(['Abort']);
});
