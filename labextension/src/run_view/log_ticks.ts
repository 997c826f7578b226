const MOST = 8;

/** Lines of a logarithmic axis: whole decades, of many only some; within less than two of them also their halves and fifths. */
export function logTicks(min: number, max: number): number[] {
  // Rounding must not lose the decades at the ends.
  const [first, last] = [Math.ceil(Math.log10(min) - 1e-9), Math.floor(Math.log10(max) + 1e-9)];
  const step = Math.max(1, Math.ceil((last - first + 1) / MOST));
  const decades: number[] = [];
  for (let power = first; power <= last; power += step) {
    decades.push(power);
  }
  if (decades.length > 2) {
    return decades.map(decade);
  }
  const all = [first - 1, ...decades].flatMap(power => [1, 2, 5].map(times => times * decade(power)));
  return all.filter(at => at >= min * (1 - 1e-9) && at <= max * (1 + 1e-9));
}

/** As it is written, 0.001 and not 0.0010000000000000002. */
function decade(power: number): number {
  return Number(`1e${power}`);
}
