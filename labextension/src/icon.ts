import { LabIcon } from '@jupyterlab/ui-components';

import svg from '../style/icons/reson.svg';

/** Three sites around one model. */
export const resonIcon = new LabIcon({ name: 'reson-jupyter:reson', svgstr: svg });
