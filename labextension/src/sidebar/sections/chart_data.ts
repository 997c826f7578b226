import type { Data } from '../types';

export interface Series {
  name: string;
  /** Samples at each shard. */
  samples: number[];
}

/** The samples of each class at each shard, in the order of the labels; of many classes the kernel has made one of the smaller ones. */
export function series(data: Data): Series[] {
  return data.classes.map((name, index) => ({ name, samples: data.shards.map(shard => shard.counts[index] ?? 0) }));
}
