import type { Value } from './types';

/** `41 s`, `3 min 05 s`, `2 h 07 min`. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) {
    return `${whole} s`;
  }
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60)];
  return hours ? `${hours} h ${two(minutes)} min` : `${minutes} min ${two(whole % 60)} s`;
}

export function ago(seconds: number): string {
  return seconds < 2 ? 'now' : `${duration(seconds)} ago`;
}

/** Four significant digits, without an exponent where a person would not write one; text (`NaN`) stays. */
export function value(raw: Value | undefined): string {
  if (typeof raw !== 'number') {
    return raw ?? '–';
  }
  const size = Math.abs(raw);
  if (size !== 0 && (size < 1e-3 || size >= 1e6)) {
    return raw.toExponential(2);
  }
  return Number.isInteger(raw) ? String(raw) : raw.toPrecision(4);
}

/** A tick of an axis: as many digits as it needs, not one more. */
export function tick(raw: number): string {
  const size = Math.abs(raw);
  return size !== 0 && (size < 1e-3 || size >= 1e5) ? raw.toExponential(0) : String(Number(raw.toPrecision(6)));
}

export function count(samples: number | null): string {
  return samples === null ? '–' : samples.toLocaleString('en-US', { maximumFractionDigits: 1 });
}

/** `950 kB`, `4.9 MB`, `1.2 GB`. */
export function bytes(size: number): string {
  const power = Math.min(3, Math.max(1, Math.floor(Math.log10(Math.max(size, 1)) / 3)));
  const scaled = size / 1000 ** power;
  return `${scaled < 99.95 ? scaled.toFixed(1) : scaled.toFixed(0)} ${['kB', 'MB', 'GB'][power - 1]}`;
}

/** The time of day where the reader is, `14:03:59`. */
export function clockTime(seconds: number): string {
  const date = new Date(seconds * 1000);
  return [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(':');
}

function two(part: number): string {
  return String(part).padStart(2, '0');
}
