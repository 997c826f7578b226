import type { AnyWidget } from '@anywidget/types';

import './styles.css';
import { Link } from './link';
import { mount } from './view';
import { WidgetChannel } from './widget_channel';
import type { Traits } from './widget_channel';

/** One call for each widget model: its views share a link, and what was told before a view opened is not lost. */
const widget: AnyWidget<Traits> = () => {
  let link: Link;
  return {
    initialize: ({ model }) => {
      link = new Link(new WidgetChannel(model));
      return () => link.dispose();
    },
    render: ({ el }) => mount(link, el)
  };
};

export default widget;
