import type { Data } from '../types';

/** More colours than these nobody tells apart; it is also as many as a legend has room for. */
const CLASSES = 8;

export interface Series {
  name: string;
  /** Samples at each shard. */
  samples: number[];
}

/** The samples of each class at each shard; of many classes, the smaller ones are one. */
export function series(data: Data): Series[] {
  const all = data.classes.map((name, index) => ({ name, samples: data.shards.map(shard => shard.counts[index] ?? 0) }));
  if (all.length <= CLASSES) {
    return all;
  }
  const sorted = [...all].sort((one, other) => total(other) - total(one));
  const rest = sorted.slice(CLASSES - 1);
  const folded = data.shards.map((_, shard) => rest.reduce((sum, { samples }) => sum + (samples[shard] ?? 0), 0));
  return [...sorted.slice(0, CLASSES - 1), { name: `${rest.length} other classes`, samples: folded }];
}

function total({ samples }: Series): number {
  return samples.reduce((sum, count) => sum + count, 0);
}
