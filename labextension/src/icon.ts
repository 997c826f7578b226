import { LabIcon } from '@jupyterlab/ui-components';

import svg from '../style/icons/reson.svg';
import warningSvg from '../style/icons/warning.svg';

/** Three sites around one model. */
export const resonIcon = new LabIcon({ name: 'reson-jupyter:reson', svgstr: svg });

export const warningIcon = new LabIcon({ name: 'reson-jupyter:warning', svgstr: warningSvg });
