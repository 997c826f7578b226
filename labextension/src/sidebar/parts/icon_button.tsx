import { Button } from '@jupyterlab/ui-components';
import type { LabIcon } from '@jupyterlab/ui-components';
import React from 'react';

interface Props {
  icon: LabIcon;
  /** Read out, and shown when the pointer rests on it. */
  label: string;
  /** The id of what says more of it. */
  about?: string;
  onClick: () => void;
}

export function IconButton({ icon, label, about, onClick }: Props): JSX.Element {
  return (
    <Button
      className="jp-Reson-iconButton"
      minimal
      small
      type="button"
      title={label}
      aria-label={label}
      aria-describedby={about}
      onClick={onClick}
    >
      <icon.react tag="span" width="14px" height="14px" />
    </Button>
  );
}
