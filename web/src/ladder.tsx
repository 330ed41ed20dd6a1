/** The ladder: six models from counting pairs to the GPT, side by side. */
import { signal } from '@preact/signals';
import { Card, Chart, Scroll, Trouble, whole } from './parts';
import { anotherPython, PythonError, type WorkerClient } from './python';
import { settings, wantedNow } from './settings';

const WHAT: Record<string, string> = {
  bigram: 'counts which character follows which',
  mlp_manual: 'three characters back, one hidden layer; gradients by hand',
  mlp: 'the same; gradients by autograd',
  attention: 'all characters so far, by one attention head',
  multi_head: 'four heads, residuals, rmsnorm: the GPT without its perceptron',
  gpt: 'a perceptron behind the attention: microgpt.py',
};

interface LadderStep {
  step: number;
  losses: Record<string, number>;
  ms: Record<string, number>;
  unseen: Record<string, number>;
}

const models = signal<{ name: string; parameters: number }[]>([]);
const heldOut = signal(0);
const running = signal(false);
const trouble = signal('');
const drawn = signal(0);
const steps = signal(0);
let worker: WorkerClient | null = null;
let columns: (number | null)[][] = [];
let unseen: Record<string, number> = {};
let times: Record<string, number> = {};

async function climb() {
  running.value = true;
  trouble.value = '';
  columns = [[]];
  unseen = {};
  times = {};
  steps.value = Number(settings.value.values['steps']);
  const python = anotherPython();
  worker = python;
  try {
    await python.ready;
    const about = await python.ask<{ models: { name: string; parameters: number }[]; held_out: number }>(
      'ladder_start',
      { settings: wantedNow() },
    );
    models.value = about.models;
    heldOut.value = about.held_out;
    columns = [[], ...about.models.map(() => [])];
    const names = about.models.map(({ name }) => name);
    await python.ask('run', { until: steps.value, step: 'ladder_step' }, (record) => {
      const found = record as unknown as LadderStep;
      if (Object.keys(found.unseen).length) unseen = found.unseen;
      const n = columns[0]?.push(found.step) ?? 1;
      names.forEach((name, i) => {
        const column = columns[i + 1] as number[];
        const last = column.at(-1) ?? found.losses[name] ?? 0;
        const share = Math.min(0.97, n / (n + 1));
        column.push(share * last + (1 - share) * (found.losses[name] ?? 0));
        times[name] = ((times[name] ?? 0) * (n - 1) + (found.ms[name] ?? 0)) / n;
      });
      if (n % 5 === 0 || n === steps.value) drawn.value = n;
    });
  } catch (error) {
    if (!(error instanceof PythonError)) throw error;
    if (error.message !== 'stopped') trouble.value = error.message;
  } finally {
    python.terminate();
    running.value = false;
    drawn.value = columns[0]?.length ?? 0;
  }
}

/** Three digits, and no sign before a zero. */
const signed = (x: number) => x.toFixed(3).replace(/^-(0\.0+)$/, '$1');

export function LadderView() {
  const uniform = models.value.length ? drawn.value : 0;
  return (
    <Card
      title="From counting letter pairs to the GPT"
      aside={
        running.value ? (
          <button type="button" onClick={() => worker?.terminate()}>
            Stop
          </button>
        ) : (
          <button type="button" onClick={() => void climb()}>
            Climb
          </button>
        )
      }
    >
      <p class="hint">
        Each model adds one idea to the one above it. All read the same documents in the same order, with the sizes and
        the steps chosen.
      </p>
      <Trouble text={trouble.value} />
      {running.value && <progress value={drawn.value} max={steps.value} aria-label="Steps of the ladder" />}
      {models.value.length > 0 && (
        <>
          <Chart
            title="Smoothed loss of each model"
            lines={models.value.map(({ name }, i) => ({ label: name, colour: i }))}
            columns={columns.length > 1 ? columns : [[], ...models.value.map(() => [])]}
          />
          <Scroll>
            <table data-testid="ladder">
              <thead>
                <tr>
                  <th>model</th>
                  <th>parameters</th>
                  <th>ms a step</th>
                  <th>loss</th>
                  <th>unseen</th>
                  <th>gained</th>
                  <th>what it does</th>
                </tr>
              </thead>
              <tbody>
                {models.value.map(({ name, parameters }, i) => {
                  const above = models.value[i - 1]?.name;
                  const now = unseen[name];
                  const gained =
                    above && now !== undefined && unseen[above] !== undefined ? signed(unseen[above] - now) : '';
                  return (
                    <tr key={name}>
                      <th scope="row">
                        <i class="dot" style={{ background: `var(--c${i})` }} /> {name}
                      </th>
                      <td>{whole(parameters)}</td>
                      <td>{times[name]?.toFixed(2) ?? '–'}</td>
                      <td>{columns[i + 1]?.at(-1)?.toFixed(4) ?? '–'}</td>
                      <td>{now?.toFixed(4) ?? '–'}</td>
                      <td>{gained}</td>
                      <td class="what">{WHAT[name]}</td>
                    </tr>
                  );
                })}
              </tbody>
            </table>
          </Scroll>
          <p class="hint">
            After {whole(uniform)} steps. Loss: smoothed, in nats per token. Unseen: over {heldOut.value} documents that
            no model trains on, every hundred steps and at the end. Gained: by how much unseen fell from the model
            above.
          </p>
        </>
      )}
    </Card>
  );
}
