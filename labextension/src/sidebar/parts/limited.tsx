import { Button } from '@jupyterlab/ui-components';
import { useState } from 'react';
import React from 'react';

/** The first of a list, and the rest where somebody asks for it. */
export function useLimited<T>(all: T[], limit: number, what: string): [T[], JSX.Element | null] {
  const [whole, setWhole] = useState(false);
  if (all.length <= limit) {
    return [all, null];
  }
  const button = (
    <Button className="jp-Reson-more" minimal small type="button" aria-expanded={whole} onClick={() => setWhole(!whole)}>
      {whole ? `Show the first ${limit}` : `Show all ${all.length} ${what}`}
    </Button>
  );
  return [whole ? all : all.slice(0, limit), button];
}
