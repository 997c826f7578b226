import { Charts } from './charts';
import { element } from './dom';
import { EnvironmentTable } from './environments';
import { EventList } from './events';
import { FailureList } from './failures';
import { Header } from './header';
import type { Link } from './link';
import { SiteTable } from './table';

const TICK_MS = 1000;

/** Draws the run into `el` and keeps it current; the function that is returned ends that. */
export function mount(link: Link, el: HTMLElement): () => void {
  const root = element('div', 'reson-run', '', { role: 'region', 'aria-label': 'Training run' });
  const header = new Header(link);
  const environments = new EnvironmentTable();
  const charts = new Charts();
  const sites = new SiteTable();
  const failures = new FailureList();
  const events = new EventList();
  root.append(header.node, environments.node, charts.node, sites.node, failures.node, events.node);
  el.append(root);

  let frame = 0;
  const draw = () => {
    frame = 0;
    header.update();
    environments.update(link.model.environments);
    charts.update(link.model);
    sites.update(link.model, link.now);
    failures.update(link.model.failures, link.model.done);
    events.update(link.model.events);
  };
  // Several messages between two pictures of the screen make one drawing.
  const unsubscribe = link.subscribe(() => {
    frame ||= requestAnimationFrame(draw);
  });
  const ticker = setInterval(() => {
    header.tick();
    sites.tick(link.now);
  }, TICK_MS);
  draw();

  return () => {
    unsubscribe();
    clearInterval(ticker);
    cancelAnimationFrame(frame);
    charts.dispose();
    root.remove();
  };
}
