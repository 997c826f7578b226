// @vitest-environment happy-dom
import React from 'react';
import { beforeEach, expect, it } from 'vitest';

import { CommandError } from '../../src/sidebar/commands';
import { ConfigForm } from '../../src/sidebar/forms/config_form';
import { jsonText, jsonValue } from '../../src/sidebar/forms/values';
import type { Form, Json } from '../../src/sidebar/types';
import { FakeKernel, madeUpState, trainingForm } from './fixture';
import { Screen } from './screen';

let kernel: FakeKernel;

beforeEach(() => {
  kernel = new FakeKernel();
});

const shown = (form: Form) => <ConfigForm form={form} link={kernel} />;
const screenOf = (own: Record<string, Json>) => new Screen(shown(trainingForm({}, own)));
const modelForm = () => madeUpState().forms.find(form => form.id === 'model')!;
const fields = () => kernel.asked.map(({ args }) => args['fields']);
const refusal = new CommandError({ message: 'dropout: no', hint: '', fields: {}, html: '' });

it('values stand as JSON, texts without quotes where they can', () => {
  const screen = screenOf({ dropout: 0.1, act: 'relu', version: '3', layers: [1, 2] });
  const texts = ['dropout', 'act', 'version', 'layers'].map(key => screen.field(`Value of ${key}`).value);
  expect(texts).toEqual(['0.1', 'relu', '"3"', '[1,2]']);
});

it.each<[string, Json]>([
  ['0.5', 0.5], ['relu', 'relu'], ['"3"', '3'], ['{"a": [true, null]}', { a: [true, null] }], ['True', true], ['None', null], ['1e', '1e']
])('%s is understood as %j', (text, value) => {
  expect(jsonValue(text)).toEqual(value);
});

it.each<Json>(['', ' ', 'True', 'null', '3', 'a b', '{"a"', ' padded ', 'toString', 0.5, true, [1, 'x'], { a: null }])(
  'what stands there for %j means the same',
  value => {
    expect(jsonValue(jsonText(value))).toEqual(value);
  }
);

it('a row is sent when it is left, not between its two fields', () => {
  const screen = screenOf({ dropout: 0.1 });
  screen.type('Value of dropout', '0.2');
  screen.type('Name of dropout', 'drop');
  expect(fields()).toEqual([]);
  screen.leave('Name of dropout');
  expect(fields()).toEqual([{ dropout: null, drop: 0.2 }]);
});

it('arguments of a model are set as a whole, in their order', () => {
  const screen = new Screen(shown(modelForm()));
  screen.type('Name of width', 'hidden');
  screen.press('Name of width', 'Enter');
  expect(JSON.stringify(fields())).toBe('[{"model_args":{"hidden":32,"act":"relu"}}]');
});

it('a row is removed: null where it is a field of its own, else the others are set', () => {
  screenOf({ dropout: 0.1 }).click('Remove dropout');
  new Screen(shown(modelForm())).click('Remove width');
  expect(fields()).toEqual([{ dropout: null }, { model_args: { act: 'relu' } }]);
});

it('a refused row says why, and what was there returns', async () => {
  const screen = screenOf({ dropout: 0.1 });
  screen.type('Value of dropout', 'much');
  screen.press('Value of dropout', 'Enter');
  await screen.hear(() => kernel.last.refuse(refusal));
  expect([screen.field('Value of dropout').value, screen.alerts]).toEqual(['0.1', ['dropout: no']]);
});

it('a row cannot take the name of another, nor none', async () => {
  const screen = screenOf({ dropout: 0.1, act: 'relu' });
  for (const name of ['act', ' ']) {
    screen.type('Name of dropout', name);
    await screen.hear(() => screen.leave('Name of dropout'));
  }
  expect(fields()).toEqual([]);
  expect(screen.alerts).toEqual(['A row needs a name; the button beside it removes it.']);
  expect(screen.field('Name of dropout').value).toBe('dropout');
});

it.each(['1e999', '12345678901234567890', '{"a": [-1e999]}'])('%s does not become another number on its way', async text => {
  const screen = screenOf({ big: 1 });
  screen.type('Value of big', text);
  await screen.hear(() => screen.leave('Value of big'));
  expect([fields(), screen.alerts]).toEqual([[], ['A number in it has more digits than a page keeps; in a cell: %reson config big=...']]);
});

it('a new row is sent once it has a name and a value, and stays until the kernel takes it', async () => {
  const screen = screenOf({});
  screen.click('Add');
  expect(document.activeElement).toBe(screen.field('Name of the new row'));
  screen.type('Name of the new row', 'dropout');
  screen.press('Name of the new row', 'Enter');
  expect(fields()).toEqual([]);
  screen.type('Value of the new row', '0.3');
  screen.press('Value of the new row', 'Enter');
  expect(fields()).toEqual([{ dropout: 0.3 }]);
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
  expect([fields(), screen.has('Remove the new row')]).toEqual([[], false]);
});
