import { expect, it } from 'vitest';

import { reasonFor } from '../../src/sidebar/reasons';
import type { Status } from '../../src/sidebar/reasons';

const EMPTY: Status[] = ['no-notebook', 'no-kernel', 'starting', 'not-loaded', 'other-language', 'busy', 'disconnected', 'dead'];

it('says each reason in a sentence of its own', () => {
  const sentences = EMPTY.map(status => reasonFor(status).text);
  expect(sentences.filter(text => !/[.…]$/.test(text))).toEqual([]);
  expect(new Set(sentences).size).toBe(EMPTY.length);
  expect(reasonFor('ready').text).toBe('');
});

it('offers to do something exactly where a click helps, and says what passes by itself', () => {
  const does = Object.fromEntries(EMPTY.map(status => [status, reasonFor(status).action?.does ?? (reasonFor(status).waits ? 'wait' : null)]));
  expect(does).toEqual({
    'no-notebook': null,
    'no-kernel': 'start-kernel',
    starting: 'wait',
    'not-loaded': 'load',
    'other-language': null,
    busy: 'wait',
    disconnected: 'wait',
    dead: 'start-kernel'
  });
});
