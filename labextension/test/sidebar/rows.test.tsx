// @vitest-environment happy-dom
import React from 'react';
import { beforeEach, expect, it } from 'vitest';

import { CommandError } from '../../src/sidebar/commands';
import { ConfigForm } from '../../src/sidebar/forms/config_form';
import type { Form } from '../../src/sidebar/types';
import { FakeKernel, madeUpState, trainingForm } from './fixture';
import { Screen } from './screen';

let kernel: FakeKernel;

beforeEach(() => {
  kernel = new FakeKernel();
});

const shown = (form: Form) => <ConfigForm form={form} link={kernel} />;
const screenOf = (own: Record<string, string>) => new Screen(shown(trainingForm({}, own)));
const modelForm = () => madeUpState().forms.find(form => form.id === 'model')!;
const changes = () => kernel.asked.map(({ op, args }) => op === 'set_rows' && args);
const refusal = new CommandError({ message: 'dropout: no', hint: '', fields: {}, html: '' });

it('values stand as the kernel writes them: no number becomes another one by being shown', () => {
  const screen = screenOf({ seed: '9007199254740993', rate: '1.0', version: '"3"', none: 'null' });
  const texts = ['seed', 'rate', 'version', 'none'].map(key => screen.field(`Value of ${key}`).value);
  expect(texts).toEqual(['9007199254740993', '1.0', '"3"', 'null']);
});

it.each(['9007199254740993', '1.0', 'null', '"3"', 'relu'])('%s is sent as it is typed', text => {
  const screen = screenOf({ big: '1' });
  screen.type('Value of big', text);
  screen.leave('Value of big');
  expect(changes()).toEqual([{ field: '', set: { big: text }, drop: [] }]);
});

it('a row is sent when it is left, not between its two fields', () => {
  const screen = screenOf({ dropout: '0.1' });
  screen.type('Value of dropout', '0.2');
  screen.type('Name of dropout', 'drop');
  expect(changes()).toEqual([]);
  screen.leave('Name of dropout');
  expect(changes()).toEqual([{ field: '', set: { drop: '0.2' }, drop: ['dropout'] }]);
});

it('an edit of one argument of a model says nothing of the others', () => {
  const screen = new Screen(shown(modelForm()));
  screen.type('Value of width', '64');
  screen.press('Value of width', 'Enter');
  expect(changes()).toEqual([{ field: 'model_args', set: { width: '64' }, drop: [] }]);
});

it('a row is removed, and no other', () => {
  screenOf({ dropout: '0.1' }).click('Remove dropout');
  new Screen(shown(modelForm())).click('Remove width');
  expect(changes()).toEqual([{ field: '', set: {}, drop: ['dropout'] }, { field: 'model_args', set: {}, drop: ['width'] }]);
});

it('a refused row says why, and what was there returns', async () => {
  const screen = screenOf({ dropout: '0.1' });
  screen.type('Value of dropout', 'much');
  screen.press('Value of dropout', 'Enter');
  await screen.hear(() => kernel.last.refuse(refusal));
  expect([screen.field('Value of dropout').value, screen.alerts]).toEqual(['0.1', ['dropout: no']]);
});

it('a row cannot take the name of another, nor none', async () => {
  const screen = screenOf({ dropout: '0.1', act: 'relu' });
  for (const name of ['act', ' ']) {
    screen.type('Name of dropout', name);
    await screen.hear(() => screen.leave('Name of dropout'));
  }
  expect(changes()).toEqual([]);
  expect(screen.alerts).toEqual(['A row needs a name; the button beside it removes it.']);
  expect(screen.field('Name of dropout').value).toBe('dropout');
});

it('a new row is sent once it has a name and a value, and stays until the kernel takes it', async () => {
  const screen = screenOf({});
  screen.click('Add');
  expect(document.activeElement).toBe(screen.field('Name of the new row'));
  screen.type('Name of the new row', 'dropout');
  screen.press('Name of the new row', 'Enter');
  expect(changes()).toEqual([]);
  screen.type('Value of the new row', '0.3');
  screen.press('Value of the new row', 'Enter');
  expect(changes()).toEqual([{ field: '', set: { dropout: '0.3' }, drop: [] }]);
  await screen.hear(() => kernel.last.refuse(refusal));
  expect([screen.alerts, screen.field('Value of the new row').value]).toEqual([['dropout: no'], '0.3']);
  screen.press('Value of the new row', 'Enter');
  await screen.hear(() => kernel.last.answer());
  expect(screen.has('Remove the new row')).toBe(false);
  expect(document.activeElement).toBe(screen.button('Add'));
});

it('a new row that is thought better of sends nothing', () => {
  const screen = screenOf({});
  screen.click('Add');
  screen.type('Name of the new row', 'dropout');
  screen.type('Value of the new row', '0.3');
  screen.click('Remove the new row');
  expect([changes(), screen.has('Remove the new row')]).toEqual([[], false]);
});
