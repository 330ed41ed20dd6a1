/** An engine of the user's own: typed or dropped, held against the reference, and then it may race and train. */
import { signal } from '@preact/signals';
import { lazy, Suspense } from 'preact/compat';
import { Card, median, Scroll, Trouble, whole } from './parts';
import type { About, StepRecord } from './protocol';
import { anotherPython, PythonError, type WorkerClient } from './python';
import { ownSource, settings, tab, wantedNow } from './settings';

const Editor = lazy(() => import('./editor'));
const EXAMPLES = import.meta.glob<string>(['../engines/*.py', '../../engines/{reference,fused_dot,tape}.py'], {
  query: '?raw',
  import: 'default',
  eager: true,
});
const EXAMPLE_NAMES: Record<string, string> = Object.fromEntries(
  Object.entries(EXAMPLES).map(([path]) => [path.replace(/^.*\/(.*)\.py$/, '$1'), path]),
);
export const WRONG = EXAMPLES[EXAMPLE_NAMES['wrong'] ?? ''] ?? '';
const FIRST = EXAMPLES[EXAMPLE_NAMES['mine'] ?? ''] ?? '';
const STEPS = 20;

const running = signal(false);
const trouble = signal('');
const verdict = signal('');
const results = signal<{ step: number; same: boolean; mine: number; theirs: string; hex: string; ms: number }[]>([]);
const gradients = signal<number | null>(null);
const passed = signal('');
let worker: WorkerClient | null = null;

const LARGEST = 1_000_000; // bytes

async function take(file: File) {
  trouble.value = verdict.value = passed.value = '';
  if (file.size > LARGEST) {
    trouble.value = `${file.name} has ${whole(file.size)} bytes, and ${whole(LARGEST)} are the most: give one engine`;
    return;
  }
  try {
    ownSource.value = new TextDecoder('utf-8', { fatal: true }).decode(await file.arrayBuffer());
  } catch {
    trouble.value = `${file.name} is not UTF-8 text: drop a Python file`;
  }
}

async function check() {
  running.value = true;
  trouble.value = verdict.value = passed.value = '';
  results.value = [];
  gradients.value = null;
  const source = ownSource.value || FIRST;
  const python = anotherPython();
  worker = python;
  try {
    await python.ready;
    const wanted = {
      ...wantedNow(),
      engine: 'own',
      source,
      steps: Math.max(STEPS, Number(settings.value.values['steps']) || 0),
    };
    const about = await python.ask<About>('compare', { settings: wanted });
    gradients.value = about.gradients ?? null;
    const found: StepRecord[] = [];
    await python.ask('run', { until: STEPS, step: 'compare_step' }, (record) => {
      found.push(record);
      results.value = found.map((one) => ({
        step: one.step,
        same: one.hex === one.reference,
        mine: one.loss,
        theirs: one.reference ?? '',
        hex: one.hex,
        ms: one.ms,
      }));
    });
    const { words, parity } = await python.ask<{ words: string; parity: string }>('verdict', {
      reference: found.map((one) => one.reference),
      losses: found.map((one) => one.hex),
    });
    verdict.value = words;
    if (parity !== 'DIVERGED') {
      ownSource.value = source;
      passed.value = source;
    }
  } catch (error) {
    if (!(error instanceof PythonError)) throw error;
    trouble.value =
      error.message === 'stopped' ? 'Stopped: the engine did not come to an end. The page goes on.' : error.message;
  } finally {
    python.terminate();
    running.value = false;
  }
}

export function EngineView() {
  const source = ownSource.value || FIRST;
  return (
    <>
      <Card
        title="Your engine"
        aside={
          <div class="buttons">
            {running.value ? (
              <button type="button" onClick={() => worker?.terminate()}>
                Stop
              </button>
            ) : (
              <button type="button" onClick={() => void check()}>
                Check it
              </button>
            )}
            <label class="inline">
              <span class="unseen">Begin with</span>
              <select
                aria-label="Begin with"
                value=""
                onChange={(event) => {
                  const path = EXAMPLE_NAMES[event.currentTarget.value];
                  if (path) ownSource.value = EXAMPLES[path] ?? '';
                  event.currentTarget.value = '';
                }}
              >
                <option value="">begin with …</option>
                {Object.keys(EXAMPLE_NAMES).map((name) => (
                  <option key={name}>{name}</option>
                ))}
              </select>
            </label>
          </div>
        }
      >
        <p class="hint">
          A file as in <code>engines/</code>, with the contract of <code>bench/workload/engine.py</code>. Type it, paste
          it, or drop a .py file here. It runs in a worker of its own: a loop without end is stopped, and the page goes
          on.
        </p>
        <div
          onDragOver={(event) => event.preventDefault()}
          onDrop={(event) => {
            const file = event.dataTransfer?.files[0];
            if (!file) return;
            event.preventDefault();
            event.stopPropagation();
            void take(file);
          }}
        >
          <Suspense fallback={<p class="hint">The editor is coming …</p>}>
            <Editor
              value={source}
              onChange={(text) => {
                if (text !== FIRST || ownSource.value) ownSource.value = text;
              }}
            />
          </Suspense>
        </div>
        <Trouble text={trouble.value} />
        {running.value && (
          <p aria-busy="true">
            Held against the reference, {results.value.length} of {STEPS} steps
          </p>
        )}
        {verdict.value && (
          <p class={`verdict ${verdict.value.startsWith('DIVERGED') ? 'wrong' : 'right'}`} data-testid="verdict">
            {verdict.value}
            {gradients.value === 0
              ? '; first gradients equal as floats'
              : gradients.value === null
                ? ''
                : `; first gradients differ by at most ${gradients.value.toExponential(1)}`}
            {results.value.length > 0 && `; ${median(results.value.map(({ ms }) => ms)).toFixed(1)} ms a step`}
          </p>
        )}
        {passed.value && (
          <div class="buttons">
            <button
              type="button"
              class="secondary"
              onClick={() => {
                settings.value = { ...settings.value, engine: 'own' };
                tab.value = 'train';
              }}
            >
              Train with it
            </button>
            <button
              type="button"
              class="secondary"
              onClick={() => {
                tab.value = 'race';
              }}
            >
              To the race
            </button>
          </div>
        )}
      </Card>
      {results.value.length > 0 && (
        <Card title="Step by step">
          <Scroll>
            <table>
              <thead>
                <tr>
                  <th>step</th>
                  <th>loss</th>
                  <th>as float.hex</th>
                  <th>the reference's</th>
                  <th />
                </tr>
              </thead>
              <tbody>
                {results.value.map(({ step, same, mine, theirs, hex }) => (
                  <tr key={step}>
                    <td>{step}</td>
                    <td>{mine.toFixed(4)}</td>
                    <td>
                      <code>{hex}</code>
                    </td>
                    <td>
                      <code>{theirs}</code>
                    </td>
                    <td>{same ? 'same bits' : 'differs'}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </Scroll>
        </Card>
      )}
    </>
  );
}
