import type { AnyWidget } from '@anywidget/types';
import 'uplot/dist/uPlot.min.css';

import './run_view.css';
import './charts.css';
import './failures.css';
import './environments.css';
import { Link } from './link';
import type { Traits } from './link';
import { mount } from './view';

/** One call for each widget model: its views share a link, and what was told before a view opened is not lost. */
const widget: AnyWidget<Traits> = () => {
  let link: Link;
  return {
    initialize: ({ model }) => {
      link = new Link(model);
      return () => link.dispose();
    },
    render: ({ el }) => mount(link, el)
  };
};

export default widget;
