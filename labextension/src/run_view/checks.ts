/** What a page is given can be a saved state from anywhere: what is not as it must be is left out, and nothing throws. */
export type Check<T> = (value: unknown) => T | undefined;

const LONGEST_TEXT = 100_000;
/** Beyond this a number of rounds is none. */
const MOST_ROUNDS = 1_000_000;

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export const text: Check<string> = value => (typeof value === 'string' ? value.slice(0, LONGEST_TEXT) : undefined);
export const flag: Check<boolean> = value => (typeof value === 'boolean' ? value : undefined);
export const number: Check<number> = value => (typeof value === 'number' && Number.isFinite(value) ? value : undefined);
/** A round, or how many there are. */
export const whole: Check<number> = value =>
  typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= MOST_ROUNDS ? value : undefined;

export function orNull<T>(check: Check<T>): Check<T | null> {
  return value => (value === null ? null : check(value));
}

/** Those of an array's entries that are as they must be; of a long one, the first `most` are looked at. */
export function many<T>(check: Check<T>, most: number): Check<T[]> {
  return value =>
    Array.isArray(value) ? value.slice(0, most).flatMap(entry => [check(entry)].filter(found => found !== undefined)) : undefined;
}

/** A tuple of two. */
export function pair<A, B>(first: Check<A>, second: Check<B>): Check<[A, B]> {
  return value => {
    const [a, b] = Array.isArray(value) ? [first(value[0]), second(value[1])] : [];
    return a === undefined || b === undefined ? undefined : [a, b];
  };
}

type Checks<T> = { [K in keyof T]: Check<T[K]> };

/** Those of an object's own fields that are as they must be. */
export function some<T extends object>(checks: Checks<T>): Check<Partial<T>> {
  return value => {
    if (!isRecord(value)) {
      return undefined;
    }
    const found: Partial<T> = {};
    for (const key of Object.keys(checks) as (keyof T & string)[]) {
      const field = Object.hasOwn(value, key) ? checks[key](value[key]) : undefined;
      if (field !== undefined) {
        found[key] = field;
      }
    }
    return found;
  };
}

/** An object with every one of the fields. */
export function every<T extends object>(checks: Checks<T>): Check<T> {
  const parts = some(checks);
  return value => {
    const found = parts(value);
    return found && Object.keys(checks).every(key => Object.hasOwn(found, key)) ? (found as T) : undefined;
  };
}
