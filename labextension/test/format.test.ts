import { describe, expect, it } from 'vitest';

import { ago, bytes, count, duration, tick, value } from '../src/run_view/format';

describe('durations', () => {
  it.each([
    [-3, '0 s'],
    [0.4, '0 s'],
    [41, '41 s'],
    [185, '3 min 05 s'],
    [3599.6, '1 h 00 min'],
    [7620, '2 h 07 min']
  ])('%d seconds read %s', (seconds, text) => {
    expect(duration(seconds)).toBe(text);
  });

  it('that just passed read "now"', () => {
    expect(ago(0.3)).toBe('now');
    expect(ago(3)).toBe('3 s ago');
  });
});

describe('values', () => {
  it.each([
    [0, '0'],
    [12, '12'],
    [0.123456, '0.1235'],
    [1234.5678, '1235'],
    [0.00001234, '1.23e-5'],
    [12345678, '1.23e+7'],
    ['NaN', 'NaN'],
    [null, '–'],
    [undefined, '–']
  ])('%s is shown as %s', (raw, text) => {
    expect(value(raw)).toBe(text);
  });

  it('on an axis have no needless digits', () => {
    expect([0, 0.5, 0.30000000000000004, 250000].map(tick)).toEqual(['0', '0.5', '0.3', '3e+5']);
  });

  it.each([
    [0, '0.0 kB'],
    [950_000, '950 kB'],
    [4_900_000, '4.9 MB'],
    [412_345_678, '412 MB'],
    [12_345_678_901_234, '12346 GB']
  ])('%d bytes are shown as %s', (size, text) => {
    expect(bytes(size)).toBe(text);
  });

  it('that count samples are grouped', () => {
    expect(count(12345)).toBe('12,345');
    expect(count(null)).toBe('–');
  });
});
