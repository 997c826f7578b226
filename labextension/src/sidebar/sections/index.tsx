import React from 'react';

import type { PageActions } from '../actions';
import type { CommandSender } from '../commands';
import { ConfigForm } from '../forms/config_form';
import { fieldText } from '../forms/values';
import { useKeptFocus } from '../parts/kept_focus';
import { Section } from '../parts/section';
import type { Form, State } from '../types';
import { ActionsBar } from './actions_bar';
import { Captures, worst } from './captures';
import { DataSection, dataTone } from './data';
import { RunList } from './runs';
import { TargetSection } from './target';

interface Props {
  state: State;
  link: CommandSender;
  page: PageActions;
}

/** Everything that a kernel has captured and configured, in the order in which somebody new needs it. */
export function Sections({ state, link, page }: Props): JSX.Element {
  const form = (id: Form['id']): Form | undefined => state.forms.find(known => known.id === id);
  const value = (id: Form['id'], name: string) => fieldText(form(id)?.values[name]);
  const [training, federation, model, target, run] = [form('training'), form('federation'), form('model'), form('target'), form('run')];
  const checks = state.captures.flatMap(row => row.checks);
  const running = state.runs.rows.filter(row => !row.done).length;
  return (
    // The actions stand below, and are the first that the keyboard comes to.
    <div ref={useKeptFocus()} className="jp-Reson-sections">
      <ActionsBar submit={state.submit} link={link} page={page} />
      <Section id="captured" title="Captured" tone={worst(checks)} summary={captured(state)}>
        <Captures captures={state.captures} link={link} page={page} />
      </Section>
      <Section id="data" title="Data" tone={dataTone(state.data)} summary={value('data', 'shards_dir')}>
        <DataSection state={state} form={form('data')} link={link} />
      </Section>
      {training && (
        <Section id="training" title="Training" summary={`${value('training', 'local_epochs')} epochs`}>
          <ConfigForm form={training} link={link} />
        </Section>
      )}
      {federation && (
        <Section id="federation" title="Federation" summary={`${value('federation', 'num_rounds')} rounds`}>
          <ConfigForm form={federation} link={link} />
        </Section>
      )}
      {model && (
        <Section id="model" title="Model" summary={value('model', 'model_class')} startsOpen={false}>
          <ConfigForm form={model} link={link} />
        </Section>
      )}
      {target && (
        <Section
          id="target"
          title="Target & storage"
          tone={target.problem ? 'error' : null}
          summary={value('target', 'target')}
          startsOpen={false}
        >
          <TargetSection form={target} link={link} />
        </Section>
      )}
      <Section id="run" title="Run" summary={running ? `${running} running` : ''}>
        {run && <ConfigForm form={run} link={link} />}
        <RunList runs={state.runs} link={link} page={page} />
      </Section>
    </div>
  );
}

function captured({ captures }: State): string {
  return captures.map(row => row.name).filter(Boolean).join(', ');
}
