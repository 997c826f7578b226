// @vitest-environment happy-dom
import React from 'react';
import { beforeEach, expect, it } from 'vitest';

import { CommandError } from '../../src/sidebar/commands';
import { ConfigForm } from '../../src/sidebar/forms/config_form';
import type { Form } from '../../src/sidebar/types';
import { FakeKernel, HOSTILE, madeUpState, trainingForm } from './fixture';
import { Screen } from './screen';

let kernel: FakeKernel;

beforeEach(() => {
  kernel = new FakeKernel();
});

const shown = (form: Form) => <ConfigForm form={form} link={kernel} />;
const screenOf = (form: Form = trainingForm()) => new Screen(shown(form));
const formOf = (id: Form['id']) => madeUpState().forms.find(form => form.id === id)!;
const sent = () => kernel.asked.map(({ op, args }) => [op, args]);
const refusal = (fields: Record<string, string>, message = 'refused', hint = '') => new CommandError({ message, hint, fields, html: '' });

it('a field has its help, its range and its label', () => {
  const input = screenOf().field('batch_size');
  expect([input.type, input.min, input.max, input.step, input.value]).toEqual(['number', '1', '65536', '1', '32']);
  const [help] = (input.getAttribute('aria-describedby') ?? '').split(' ').map(id => document.getElementById(id)?.textContent);
  expect(help).toBe('Samples in a mini-batch.');
});

it('an edit is sent when the field is left, as a number', () => {
  const screen = screenOf();
  screen.type('batch_size', '64');
  expect(sent()).toEqual([]);
  screen.leave('batch_size');
  expect(sent()).toEqual([['configure', { fields: { batch_size: 64 } }]]);
});

it('Enter sends an edit once, also if the field is left then', () => {
  const screen = screenOf();
  screen.type('learning_rate', '0.01');
  screen.press('learning_rate', 'Enter');
  screen.leave('learning_rate');
  expect(sent()).toEqual([['configure', { fields: { learning_rate: 0.01 } }]]);
});

it('a field that is looked at only, or typed back to what it was, sends nothing', () => {
  const screen = screenOf();
  screen.leave('batch_size');
  screen.type('batch_size', '3');
  screen.type('batch_size', '32');
  screen.leave('batch_size');
  expect(sent()).toEqual([]);
});

it('Escape takes an edit back', () => {
  const screen = screenOf();
  screen.type('batch_size', '64');
  screen.press('batch_size', 'Escape');
  screen.leave('batch_size');
  expect([screen.field('batch_size').value, sent()]).toEqual(['32', []]);
});

it('an edit is marked while it is on its way, and the kernel says what it became', async () => {
  const screen = screenOf();
  screen.type('batch_size', '064');
  screen.press('batch_size', 'Enter');
  expect([screen.field('batch_size').value, screen.field('batch_size').getAttribute('aria-busy')]).toEqual(['064', 'true']);
  screen.show(shown(trainingForm({ batch_size: 64 })));
  await screen.hear(() => kernel.last.answer());
  expect([screen.field('batch_size').value, screen.field('batch_size').getAttribute('aria-busy')]).toEqual(['64', null]);
});

it('a refused edit says why at the field, and the old value returns', async () => {
  const screen = screenOf();
  screen.type('batch_size', '0');
  screen.leave('batch_size');
  await screen.hear(() => kernel.last.refuse(refusal({ batch_size: 'it has to be 1 or more' }, 'all of it', 'The default is 32.')));
  expect([screen.field('batch_size').value, screen.alerts]).toEqual(['32', ['it has to be 1 or more The default is 32.']]);
  expect(screen.field('batch_size').getAttribute('aria-invalid')).toBe('true');
  expect(screen.field('local_epochs').getAttribute('aria-invalid')).toBeNull();
});

it('what the kernel refuses without naming a field is said at the field, too; so is a lost connection', async () => {
  const screen = screenOf();
  screen.type('batch_size', '7');
  screen.leave('batch_size');
  await screen.hear(() => kernel.last.refuse(CommandError.because('The kernel has gone.')));
  expect(screen.alerts).toEqual(['The kernel has gone.']);
});

it('a refusal is not told any longer once something else is edited', async () => {
  const screen = screenOf();
  screen.type('batch_size', '0');
  screen.leave('batch_size');
  await screen.hear(() => kernel.last.refuse(refusal({})));
  screen.type('local_epochs', '3');
  screen.leave('local_epochs');
  expect(screen.alerts).toEqual([]);
});

it('of two edits of one field the later answer counts', async () => {
  const screen = screenOf();
  for (const text of ['0', '48']) {
    screen.type('batch_size', text);
    screen.press('batch_size', 'Enter');
  }
  const [first, second] = kernel.asked;
  await screen.hear(() => first!.refuse(refusal({})));
  expect([screen.alerts, screen.field('batch_size').value]).toEqual([[], '48']);
  screen.show(shown(trainingForm({ batch_size: 48 })));
  await screen.hear(() => second!.answer());
  expect(screen.field('batch_size').value).toBe('48');
});

it('an edit by a magic appears at once, but not over what is being typed', () => {
  const screen = screenOf();
  screen.type('batch_size', '6');
  screen.show(shown(trainingForm({ batch_size: 128, local_epochs: 9 })));
  expect([screen.field('batch_size').value, screen.field('local_epochs').value]).toEqual(['6', '9']);
  screen.press('batch_size', 'Escape');
  expect(screen.field('batch_size').value).toBe('128');
});

it('an emptied number goes back to its default; an emptied text is empty', () => {
  const screen = screenOf(trainingForm({ batch_size: 64 }));
  screen.type('batch_size', '');
  screen.leave('batch_size');
  screen.type('manifest_file', '');
  screen.leave('manifest_file');
  expect(sent()).toEqual([['configure', { fields: { batch_size: null } }], ['configure', { fields: { manifest_file: '' } }]]);
});

it('what differs from its default can be put back', () => {
  const screen = screenOf(trainingForm({ batch_size: 64 }));
  expect(screen.has('Back to 2')).toBe(false);
  screen.click('Back to 32');
  expect(sent()).toEqual([['configure', { fields: { batch_size: null } }]]);
  expect(document.activeElement).toBe(screen.field('batch_size'));
});

it('a field that may be left open is empty then, and says what that means', () => {
  const federation = formOf('federation');
  const screen = screenOf(federation);
  expect([screen.field('min_clients').value, screen.field('min_clients').placeholder]).toEqual(['', 'every site']);
  screen.show(shown({ ...federation, values: { ...federation.values, min_clients: 2 } }));
  screen.click('Back to every site');
  expect(sent()).toEqual([['configure', { fields: { min_clients: null } }]]);
});

it('what the environment says can be overridden, and come back', () => {
  const screen = screenOf(formOf('target'));
  expect(screen.node.textContent).toContain('Where nobody sets it here, RESON_TARGET counts.');
  expect(screen.node.textContent).not.toContain('RESON_STORE counts');
  screen.click('Back to what RESON_STORE says');
  screen.type('target', 'flare');
  expect(sent()).toEqual([['configure', { fields: { store: null } }], ['configure', { fields: { target: 'flare' } }]]);
});

it('a checkbox is sent at once, and shows the click until the kernel has answered', async () => {
  const screen = screenOf();
  await screen.hear(() => screen.field('augment').click());
  expect([sent(), screen.field('augment').checked]).toEqual([[['configure', { fields: { augment: true } }]], true]);
  await screen.hear(() => kernel.last.refuse(refusal({})));
  expect(screen.field('augment').checked).toBe(false);
});

it('a list is a line with commas', () => {
  const screen = screenOf(trainingForm({ image_hosts: ['a.example', 'b.example'] }));
  expect(screen.field('image_hosts').value).toBe('a.example, b.example');
  screen.type('image_hosts', 'a.example,  c.example,');
  screen.leave('image_hosts');
  expect(sent()).toEqual([['configure', { fields: { image_hosts: ['a.example', 'c.example'] } }]]);
});

it('what the browser does not take for a number is not sent as an empty field', () => {
  const screen = screenOf();
  screen.type('learning_rate', '');
  Object.defineProperty(screen.field('learning_rate'), 'validity', { value: { badInput: true } });
  screen.leave('learning_rate');
  expect([sent(), screen.alerts, screen.field('learning_rate').value]).toEqual([[], ['This is not a number.'], '0.001']);
});

it('hostile texts of a form are text', async () => {
  const form = trainingForm({ manifest_file: HOSTILE }, { [HOSTILE]: HOSTILE });
  form.schema.properties['manifest_file']!.description = HOSTILE;
  const screen = screenOf(form);
  screen.type('batch_size', '0');
  screen.leave('batch_size');
  await screen.hear(() => kernel.last.refuse(refusal({}, HOSTILE)));
  expect(screen.node.querySelector('img, script')).toBeNull();
  expect(screen.alerts).toEqual([HOSTILE]);
});
