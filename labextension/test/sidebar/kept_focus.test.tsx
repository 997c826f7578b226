// @vitest-environment happy-dom
import React from 'react';
import { expect, it } from 'vitest';

import { Sections } from '../../src/sidebar/sections';
import type { State } from '../../src/sidebar/types';
import { FakeKernel, FakePage, madeUpRun, madeUpState } from './fixture';
import { Screen } from './screen';

const kernel = new FakeKernel();
const shown = (change: Partial<State> = {}) => <Sections state={{ ...madeUpState(), ...change }} link={kernel} page={new FakePage()} />;
const focused = () => document.activeElement?.getAttribute('aria-label') ?? document.activeElement?.textContent;
const running = { runs: { rows: [madeUpRun('a1', { state: 'running', done: false })], more: 0, error: '' } };

it('after Forget the focus is on what can be forgotten next', async () => {
  const screen = new Screen(shown());
  screen.button('Forget: Model').focus();
  const [model, train, ...rest] = madeUpState().captures;
  await screen.hear(() => screen.show(shown({ captures: [{ ...model!, name: '', cell: '', checks: [] }, train!, ...rest] })));
  expect(document.activeElement?.closest('.jp-Reson-capture')?.textContent).toContain('In[5]');
});

it('when the last run that ran is over the focus is on its name', async () => {
  const screen = new Screen(shown(running));
  screen.button('Abort digits').focus();
  const over = { runs: { ...running.runs, rows: [madeUpRun('a1', { state: 'aborted' })] } };
  await screen.hear(() => screen.show(shown(over)));
  expect(focused()).toBe('digits');
});

it('after Dismiss the focus is on the first action', async () => {
  const screen = new Screen(shown({ submit: { obstacles: { check: [], preview: [], submit: [] }, activity: null } }));
  screen.click('Check');
  await screen.hear(() => kernel.last.answer(null));
  screen.button('Dismiss').focus();
  await screen.hear(() => screen.click('Dismiss'));
  expect(focused()).toBe('Check');
});

it('what the user left is not given back', async () => {
  const screen = new Screen(shown(running));
  screen.button('Abort digits').focus();
  screen.button('Abort digits').blur();
  await screen.hear(() => screen.show(shown({ runs: { rows: [], more: 0, error: '' } })));
  expect(document.activeElement).toBe(document.body);
});
