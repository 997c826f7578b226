import React from 'react';

import { classColor } from '../../run_view/colors';
import { bytes, count } from '../../run_view/format';
import type { Data, Shard } from '../types';
import { series } from './chart_data';
import type { Series } from './chart_data';

const ROW_PX = 34;
const LABEL_CHARACTERS = 24;

/** How many samples of each class lie at each site: bars for the eye, a table for who does not see them. */
export function ShardChart({ data }: { data: Data }): JSX.Element {
  const classes = series(data);
  const most = Math.max(1, ...data.shards.map(shard => shard.samples));
  return (
    <figure className="jp-Reson-figure">
      <svg
        className="jp-Reson-chart"
        role="img"
        aria-labelledby="reson-chart-title reson-chart-desc"
        width="100%"
        height={data.shards.length * ROW_PX}
      >
        <title id="reson-chart-title">Samples of each class at each site</title>
        <desc id="reson-chart-desc">{`One bar for each of ${data.shards.length} sites; the table after it has the numbers.`}</desc>
        {data.shards.map((shard, index) => (
          <Bar key={index} shard={shard} index={index} classes={classes} most={most} />
        ))}
      </svg>
      <Legend classes={classes} />
      <Numbers data={data} classes={classes} />
    </figure>
  );
}

interface BarProps {
  shard: Shard;
  index: number;
  classes: Series[];
  most: number;
}

function Bar({ shard, index, classes, most }: BarProps): JSX.Element {
  const top = index * ROW_PX;
  let start = 0;
  const parts = classes.map(({ name, samples }, color) => {
    const size = samples[index] ?? 0;
    const x = start;
    start += size;
    return (
      <rect key={color} x={percent(x / most)} y={top + 18} width={percent(size / most)} height={10} fill={classColor(color, classes.length)}>
        <title>{`${shard.site}, ${name}: ${count(size)}`}</title>
      </rect>
    );
  });
  // Of shards without classes there is the number only.
  const rest = shard.samples - start;
  return (
    <>
      <text x={0} y={top + 13}>
        {short(shard.site)}
        <title>{[shard.site, shard.name, bytes(shard.bytes)].join(', ')}</title>
      </text>
      <text x="100%" y={top + 13} textAnchor="end">
        {count(shard.samples)}
      </text>
      {parts}
      {rest > 0 && <rect className="jp-Reson-noClass" x={percent(start / most)} y={top + 18} width={percent(rest / most)} height={10} />}
    </>
  );
}

function Legend({ classes }: { classes: Series[] }): JSX.Element {
  return (
    <ul className="jp-Reson-legend" aria-hidden="true">
      {classes.map(({ name }, color) => (
        <li key={color}>
          <svg width="10" height="10">
            <rect width="10" height="10" fill={classColor(color, classes.length)} />
          </svg>
          {name}
        </li>
      ))}
    </ul>
  );
}

function Numbers({ data, classes }: { data: Data; classes: Series[] }): JSX.Element {
  return (
    <div className="jp-Reson-hidden">
      <table>
        <caption>Samples of each class at each site</caption>
        <thead>
          <tr>
            {['Site', ...classes.map(({ name }) => name), 'All'].map((name, index) => (
              <th key={index} scope="col">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {data.shards.map((shard, index) => (
            <tr key={index}>
              <th scope="row">{shard.site}</th>
              {classes.map(({ samples }, column) => (
                <td key={column}>{count(samples[index] ?? 0)}</td>
              ))}
              <td>{count(shard.samples)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function percent(part: number): string {
  return `${(100 * part).toFixed(3)}%`;
}

function short(name: string): string {
  return name.length > LABEL_CHARACTERS ? `${name.slice(0, LABEL_CHARACTERS - 1)}…` : name;
}
