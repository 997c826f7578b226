import { Charts } from './charts';
import { Choices } from './choices';
import { element } from './dom';
import { EnvironmentTable } from './environments';
import { EventList } from './events';
import { FailureList } from './failures';
import { Header } from './header';
import { keepPlainKeys } from './keys';
import type { Link } from './link';
import type { ChartSource } from './chart';
import { Notes } from './notes';
import { StageBar } from './stages';
import { SiteTable } from './table';

const TICK_MS = 1000;

/** Draws the run into `el` and keeps it current; the function that is returned ends that. */
export function mount(link: Link, el: HTMLElement): () => void {
  const root = element('div', 'reson-run', '', { role: 'region', 'aria-label': 'Training run' });
  keepPlainKeys(root);
  const header = new Header(link);
  const environments = new EnvironmentTable();
  const stages = new StageBar();
  const choices = new Choices();
  const charts = new Charts(choices);
  const sites = new SiteTable(choices);
  const failures = new FailureList();
  const events = new EventList();
  const notes = new Notes();
  root.append(header.node, stages.node, environments.node, charts.node, sites.node, failures.node, events.node, notes.node);
  el.append(root);

  let frame = 0;
  let gone = false;
  const draw = () => {
    frame = 0;
    header.update();
    choices.belongTo(`run:${link.model.run.id}`);
    stages.update(link.live ? link.model.stages : [], link.gone);
    environments.update(link.model.environments);
    charts.update(sourceOf(link));
    sites.update(link.model, link.now);
    failures.update(link.model.failures, link.model.done);
    events.update(link.model.events);
    notes.update(link.model.run.notes);
    gone = link.gone;
    root.classList.toggle('reson-stale', gone);
  };
  // Several messages between two pictures of the screen make one drawing.
  const unsubscribe = link.subscribe(() => {
    frame ||= requestAnimationFrame(draw);
  });
  const ticker = setInterval(() => {
    // Silence sends no message that would have it drawn.
    if (link.gone !== gone) {
      draw();
    }
    header.tick();
    sites.tick(link.now);
  }, TICK_MS);
  draw();

  return () => {
    unsubscribe();
    clearInterval(ticker);
    cancelAnimationFrame(frame);
    charts.dispose();
    sites.dispose();
    root.remove();
  };
}

function sourceOf(link: Link): ChartSource {
  const { history, siteNames, run, done } = link.model;
  const askRound = (round: number) => link.askRound(round);
  return { history, names: siteNames, rounds: run.rounds, done: done || link.gone, noun: 'site', live: link.live && !link.gone, askRound };
}
