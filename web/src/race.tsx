/** The race: engines train the same model from the same seed, each in a worker of its own. */
import { signal } from '@preact/signals';
import { WRONG } from './engine';
import { Input } from './field';
import { wholeNumber } from './numbers';
import { Card, Chart, download, Scroll, Trouble, typical, whole } from './parts';
import type { StepRecord, Wanted } from './protocol';
import { anotherPython, type Competitor, PythonError, WorkerClient } from './python';
import { ownSource, wantedNow } from './settings';
import { hello, python, report } from './store';

const JAVASCRIPT = 'microgpt.mjs';
const WRONG_ONE = 'wrong';
const MOST = 6;

interface Row {
  name: string;
  hex: string[];
  loss: (number | null)[];
  ms: number[];
  words: string; // the verdict, once there is one
  ratio: { value: number; low: number | null; high: number | null } | null;
  state: string;
}

const chosen = signal<string[]>(['fused_dot', 'compiled', 'compiled_unordered']);
const baseline = signal('');
const steps = signal('100');
const lockstep = signal(false);
const rounds = signal('3');
const rows = signal<Row[]>([]);
const running = signal(false);
const trouble = signal('');
const now = signal(''); // what the race is doing
const goal = signal(0);
let workers: Competitor[] = [];
let stopped = false;

export function wantedOf(name: string, base: Wanted): Wanted {
  const own = name === 'your engine' || name === WRONG_ONE;
  const source = name === WRONG_ONE ? WRONG : ownSource.value;
  return { ...base, engine: own ? 'own' : name, source, options: base.options };
}

async function begin(name: string, base: Wanted, documents: string): Promise<Competitor> {
  const worker =
    name === JAVASCRIPT
      ? new WorkerClient(new Worker(new URL('./competitor.ts', import.meta.url), { type: 'module' }))
      : anotherPython();
  workers.push(worker);
  if ('ready' in worker) await (worker as ReturnType<typeof anotherPython>).ready;
  await worker.ask('start', { settings: wantedOf(name, base), documents });
  return worker;
}

/** The settings of all: those chosen, but for the port, which knows its own sizes and random numbers only. */
function conditions(): Wanted {
  const base = wantedNow();
  const count = Number(steps.value);
  const options = { ...base.options };
  if (chosen.value.includes(JAVASCRIPT)) {
    for (const name of Object.keys(options)) if (!['seed', 'gaussian'].includes(name)) delete options[name];
    options['rng'] = 'mulberry32';
  }
  return { ...base, steps: Math.max(1000, count), options };
}

async function race() {
  const first = chosen.value.includes(baseline.value) ? baseline.value : chosen.value[0];
  const names = [...(first === undefined ? [] : [first]), ...chosen.value.filter((name) => name !== first)];
  trouble.value = names.length < 2 || names.length > MOST ? `${names.length} chosen: a race takes two to six` : '';
  if (trouble.value) return;
  let count: number, most: number;
  try {
    count = wholeNumber('race_steps', 'steps', steps.value, 1);
    most = lockstep.value ? wholeNumber('race_rounds', 'rounds', rounds.value, 1) : 1;
  } catch (error) {
    report(error);
    return;
  }
  running.value = true;
  stopped = false;
  goal.value = count;
  rows.value = names.map((name) => ({ name, hex: [], loss: [], ms: [], words: '', ratio: null, state: '' }));
  try {
    const base = conditions();
    const { text } = await python.ask<{ text: string }>('documents_text', { settings: base });
    if (lockstep.value) await inTurns(names, base, text, count, most);
    else await together(names, base, text, count);
  } catch (error) {
    if (!(error instanceof PythonError)) throw error;
    if (error.message !== 'stopped') trouble.value = error.message;
  } finally {
    for (const worker of workers) worker.terminate();
    workers = [];
    rows.value = [...rows.value];
    running.value = false;
    now.value = '';
  }
}

const DRAW_EVERY = 500; // ms: drawing takes a processor from those who race
let drawing = false;
function draw() {
  if (drawing) return;
  drawing = true;
  setTimeout(() => {
    drawing = false;
    rows.value = [...rows.value];
  }, DRAW_EVERY);
}

function take(row: Row, record: StepRecord) {
  row.hex.push(record.hex);
  row.loss.push(record.loss);
  row.ms.push(record.ms);
  draw();
}

/** All at once, each as fast as it can. */
async function together(names: string[], base: Wanted, text: string, count: number) {
  now.value = 'starting a Python for each';
  const ready = await Promise.all(names.map((name) => begin(name, base, text)));
  now.value = 'racing';
  let place = 0;
  await Promise.all(
    ready.map(async (worker, i) => {
      const row = rows.value[i];
      if (!row) return;
      try {
        await worker.ask('run', { until: count }, (record) => take(row, record));
        row.state = ['1st', '2nd', '3rd'][place] ?? `${place + 1}th`;
        place += 1;
      } catch (error) {
        if (stopped || !(error instanceof PythonError)) throw error;
        row.state = 'failed';
        row.words = error.message;
      }
    }),
  );
  await judge();
  const first = rows.value[0];
  if (first)
    for (const row of rows.value)
      row.ratio = row.ms.length ? { value: typical(first.ms) / typical(row.ms), low: null, high: null } : null;
}

const TURN = 10; // steps before it is the next one's turn: a shorter one would find the processor's caches full of another's

/** One after the other, some steps at a time, in rounds of fresh workers: what the machine does besides, it does to all. */
async function inTurns(names: string[], base: Wanted, text: string, count: number, most: number) {
  const times: number[][][] = names.map(() => []); // competitor, round, step
  for (let round = 0; round < most; round++) {
    now.value = `round ${round + 1} of ${most}`;
    const ready: Competitor[] = [];
    for (const name of names) ready.push(await begin(name, base, text));
    for (const all of times) all.push([]);
    for (const row of rows.value) row.hex = round === 0 ? [] : row.hex;
    for (let step = 0; step < count; step += TURN) {
      for (let turn = 0; turn < names.length; turn++) {
        const i = (turn + step / TURN + round) % names.length; // nobody is always the first
        const row = rows.value[i] as Row;
        const order = { count: Math.min(TURN, count - step) };
        const records = await (ready[i] as Competitor).ask<StepRecord[]>('steps', order);
        for (const [k, record] of records.entries()) {
          times[i]?.[round]?.push(record.ms);
          if (round === 0) take(row, record);
          else {
            row.ms.push(record.ms);
            if (record.hex !== row.hex[step + k])
              row.words = `DIVERGED: round ${round + 1} gave another loss at step ${step + k + 1}`;
          }
        }
        draw();
      }
    }
    for (const worker of workers) worker.terminate();
    workers = [];
  }
  await judge();
  for (const [i, row] of rows.value.entries()) {
    if (i === 0 || row.words.startsWith('DIVERGED')) continue;
    row.ratio = await python.ask('paired', { baseline: times[0], times: times[i] });
  }
  const first = rows.value[0];
  if (first) first.ratio = { value: 1, low: null, high: null };
}

async function judge() {
  const reference = rows.value[0]?.hex ?? [];
  for (const row of rows.value) {
    if (row.words || !row.hex.length) continue;
    const n = Math.min(reference.length, row.hex.length);
    row.words = (
      await python.ask<{ words: string }>('verdict', { reference: reference.slice(0, n), losses: row.hex.slice(0, n) })
    ).words;
  }
}

function stop() {
  stopped = true;
  for (const worker of workers) worker.terminate();
}

export function RaceView() {
  const engines = hello.value?.engines.filter(({ unavailable }) => !unavailable).map(({ name }) => name) ?? [];
  const choices = [...engines, JAVASCRIPT, WRONG_ONE, ...(ownSource.value ? ['your engine'] : [])];
  const port = chosen.value.includes(JAVASCRIPT);
  return (
    <>
      <Card
        title="Race"
        aside={
          running.value ? (
            <button type="button" onClick={stop}>
              Stop
            </button>
          ) : (
            <button type="button" disabled={!hello.value} onClick={() => void race()}>
              Start the race
            </button>
          )
        }
      >
        <fieldset class="choices">
          <legend>Two to six</legend>
          {choices.map((name) => (
            <label key={name}>
              <input
                type="checkbox"
                checked={chosen.value.includes(name)}
                onChange={(event) => {
                  const others = chosen.value.filter((one) => one !== name);
                  chosen.value = event.currentTarget.checked
                    ? choices.filter((one) => one === name || others.includes(one))
                    : others;
                }}
              />
              {name}
            </label>
          ))}
        </fieldset>
        <div class="fields">
          <Input id="race-steps" name="race_steps" label="Steps" value={steps} hint="of each" />
          <div class="field">
            <label class="switch">
              <input
                type="checkbox"
                checked={lockstep.value}
                onChange={(event) => {
                  lockstep.value = event.currentTarget.checked;
                }}
              />
              Lockstep
            </label>
            <small class="hint">one at a time, in turns of ten steps: slower, and true</small>
          </div>
          <div class="field">
            <label for="race-baseline">Held against</label>
            <select
              id="race-baseline"
              value={chosen.value.includes(baseline.value) ? baseline.value : chosen.value[0]}
              onChange={(event) => {
                baseline.value = event.currentTarget.value;
              }}
            >
              {chosen.value.map((name) => (
                <option key={name}>{name}</option>
              ))}
            </select>
          </div>
          {lockstep.value && (
            <Input
              id="race-rounds"
              name="race_rounds"
              label="Rounds"
              value={rounds}
              hint="of fresh workers; the interval is over them"
            />
          )}
        </div>
        {port && (
          <p class="hint">
            {JAVASCRIPT} is a port of microgpt.py for JavaScript. It knows the default sizes only, and its own random
            numbers, mulberry32: so all race with those.
          </p>
        )}
        <Trouble text={trouble.value} />
        {now.value && <p aria-busy="true">{now.value}</p>}
        {rows.value.length > 0 && <Results />}
      </Card>
      <Proof />
    </>
  );
}

function Results() {
  const longest = Math.max(...rows.value.map((row) => row.loss.length));
  const columns = [
    Array.from({ length: longest }, (_, i) => i + 1),
    ...rows.value.map((row) => Array.from({ length: longest }, (_, i) => row.loss[i] ?? null)),
  ];
  const first = rows.value[0];
  return (
    <>
      <div class="track">
        {rows.value.map((row, i) => (
          <div key={row.name}>
            <span>{row.name}</span>
            <div
              class="lane"
              role="progressbar"
              aria-label={row.name}
              aria-valuenow={row.loss.length}
              aria-valuemin={0}
              aria-valuemax={goal.value}
            >
              <i style={{ width: `${(100 * row.loss.length) / (goal.value || 1)}%`, background: `var(--c${i})` }} />
            </div>
            <span>{row.state || whole(row.loss.length)}</span>
          </div>
        ))}
      </div>
      <Chart
        title="Loss of each competitor"
        lines={rows.value.map(({ name }, i) => ({ label: name, colour: i }))}
        columns={columns}
        height={200}
      />
      <Scroll>
        <table data-testid="race">
          <thead>
            <tr>
              <th>engine</th>
              <th>ms a step</th>
              <th>times as fast</th>
              <th>losses, held against {first?.name}'s</th>
            </tr>
          </thead>
          <tbody>
            {rows.value.map((row) => (
              <tr key={row.name}>
                <th scope="row">{row.name}</th>
                <td>{row.ms.length ? typical(row.ms).toFixed(2) : '–'}</td>
                <td>{ratioText(row)}</td>
                <td class={row.words.startsWith('DIVERGED') ? 'bad' : ''}>
                  {row === first && row.words ? `${row.hex.length} steps` : row.words || soFar(row)}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
      <button
        type="button"
        class="secondary"
        disabled={running.value}
        onClick={() => download('race.csv', csv(), 'text/csv')}
      >
        Losses as CSV
      </button>
    </>
  );
}

function ratioText(row: Row): string {
  if (row.words.startsWith('DIVERGED')) return '–';
  if (!row.ratio) return '–';
  const { value, low, high } = row.ratio;
  return low === null || high === null
    ? value.toFixed(2)
    : `${value.toFixed(2)} [${low.toFixed(2)}, ${high.toFixed(2)}]`;
}

/** While it runs. The verdict at the end is Python's. */
function soFar(row: Row): string {
  const first = rows.value[0]?.hex ?? [];
  const n = Math.min(first.length, row.hex.length);
  for (let i = 0; i < n; i++) if (row.hex[i] !== first[i]) return `differs from step ${i + 1} on`;
  return n ? `same bits so far, ${n} steps` : '';
}

function csv(): string {
  const longest = Math.max(...rows.value.map((row) => row.hex.length));
  const lines = Array.from({ length: longest }, (_, i) => [i + 1, ...rows.value.map((row) => row.hex[i] ?? '')].join());
  return `step,${rows.value.map(({ name }) => name).join()}\n${lines.join('\n')}\n`;
}

// ----------------------------------------------------------------- the proof

interface Golden {
  options: Wanted['options'];
  steps: number;
  python: string;
  losses: Record<string, string[]>;
}

const proof = signal<{ name: string; words: string; ms: number }[]>([]);
const proving = signal<string[]>([]); // engines under way
const proofTrouble = signal('');
const MOST_PROVERS = 4; // a Python takes some 100 MB
let provers: WorkerClient[] = [];

/** Every engine from the same seed in this browser, held against what native CPython computed; on each processor one. */
async function prove() {
  proof.value = [];
  proofTrouble.value = '';
  proving.value = ['starting'];
  const pythons = Array.from({ length: Math.min(MOST_PROVERS, navigator.hardwareConcurrency || 1) }, anotherPython);
  provers = pythons;
  try {
    const golden = (await import('../golden.json')).default as unknown as Golden;
    await Promise.all(pythons.map(({ ready }) => ready));
    // native promises the reference's bits, and is there where it was compiled
    const native = hello.value?.engines.some(({ name, unavailable }) => name === 'native' && !unavailable);
    const all = Object.entries(golden.losses).concat(native ? [['native', golden.losses['reference'] ?? []]] : []);
    const order = all.map(([name]) => name);
    proving.value = [];
    await Promise.all(
      pythons.map(async (python) => {
        for (let next = all.shift(); next; next = all.shift()) {
          const found = await proved(python, golden, ...next);
          proof.value = [...proof.value, found].sort((a, b) => order.indexOf(a.name) - order.indexOf(b.name));
        }
      }),
    );
  } catch (error) {
    if (!(error instanceof PythonError)) throw error;
    if (error.message !== 'stopped') proofTrouble.value = error.message;
  } finally {
    for (const python of pythons) python.terminate();
    proving.value = [];
  }
}

async function proved(python: WorkerClient, { options, steps: count }: Golden, engine: string, expected: string[]) {
  proving.value = [...proving.value, engine];
  const base: Wanted = { data: 'given_names', text: null, blocks: false, engine, source: '', steps: 1000, options };
  await python.ask('start', { settings: base });
  const found: StepRecord[] = [];
  await python.ask('run', { until: count }, (record) => found.push(record));
  const { words } = await python.ask<{ words: string }>('verdict', {
    reference: expected,
    losses: found.map(({ hex }) => hex),
  });
  proving.value = proving.value.filter((name) => name !== engine);
  return { name: engine, words, ms: typical(found.map(({ ms }) => ms)) };
}

function Proof() {
  return (
    <Card
      title="The proof"
      aside={
        proving.value.length ? (
          <button
            type="button"
            class="secondary"
            onClick={() => {
              for (const python of provers) python.terminate();
            }}
          >
            Stop
          </button>
        ) : (
          <button type="button" class="secondary" disabled={!hello.value || running.value} onClick={() => void prove()}>
            Prove it
          </button>
        )
      }
    >
      <p class="hint">
        Fifty steps of every engine in this browser, each loss held against CPython's on Linux, as hexadecimal floats.
        Both compute exp, log and pow by the same algorithms; sine and cosine they don't, so the weights are drawn by
        mulberry32, which needs neither. As many at a time as there are processors; takes a minute.
      </p>
      <Trouble text={proofTrouble.value} />
      {proving.value.length > 0 && <p aria-busy="true">{proving.value.join(', ')}</p>}
      {proof.value.length > 0 && (
        <Scroll>
          <table data-testid="proof">
            <thead>
              <tr>
                <th>engine</th>
                <th>ms a step</th>
                <th>losses</th>
              </tr>
            </thead>
            <tbody>
              {proof.value.map(({ name, words, ms }) => (
                <tr key={name}>
                  <th scope="row">{name}</th>
                  <td>{ms.toFixed(2)}</td>
                  <td>{words}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
    </Card>
  );
}
