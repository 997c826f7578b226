/** A long run is drawn with so many rounds at first. */
const LEAST_SHOWN = 20;

/** Whether it is the validation of the final model, which comes one after the last round. */
export function isFinal(round: number, totalRounds: number): boolean {
  return totalRounds > 0 && round > totalRounds;
}

/** How far the axis goes: to the last round, but of a long run that has just begun no further than what can be seen of it. */
export function lastShown(newest: number, totalRounds: number): number {
  let reach = LEAST_SHOWN;
  while (reach < 1.25 * newest) {
    reach *= 2;
  }
  return Math.max(newest, Math.min(totalRounds, reach));
}

/** Whole rounds, `step` apart, and the final model's validation, which no other tick may touch. */
export function roundTicks(last: number, step: number, totalRounds: number): number[] {
  const final = isFinal(last, totalRounds) ? [last] : [];
  const ticks: number[] = [];
  for (let round = step; round <= last; round += step) {
    if (!final.length || round < last - 0.7 * step) {
      ticks.push(round);
    }
  }
  return [...ticks, ...final];
}

/** The round (0-based) that has values nearest to a place; within what was thinned, every round had some. */
export function nearest(rounds: number[], place: number, thinned: number): number {
  const last = rounds.at(-1) ?? 0;
  const whole = Math.max(rounds[0] ?? 0, Math.min(last, Math.round(place)));
  if (whole < thinned) {
    return whole;
  }
  return rounds.reduce((best, round) => (Math.abs(round - place) < Math.abs(best - place) ? round : best), last);
}
