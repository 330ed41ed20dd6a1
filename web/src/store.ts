/** What the page knows: the main worker's Python, the model in it, and how its training goes. */
import { batch, computed, effect, signal } from '@preact/signals';
import { wholeNumber } from './numbers';
import type { About, Checked, Description, Hello, StepRecord, Wanted } from './protocol';
import { PythonError, startPython } from './python';
import { ownSource, ownText, settings, wantedNow } from './settings';

export const loading = signal(0); // share of Pyodide's files that has come
export const loadedBytes = signal(0);
export const hello = signal<Hello | null>(null);
export const readyAfter = signal(0); // ms since the page was opened
export const failure = signal(''); // what keeps Python from running at all
export const notice = signal(''); // the last thing worth saying, read out by screen readers

export type Phase = 'none' | 'starting' | 'running' | 'paused' | 'done';
export const phase = signal<Phase>('none');
export const about = signal<About | null>(null);
export const description = signal<Description | null>(null);
export const checked = signal<Checked | null>(null);
export const estimate = signal<number | null>(null); // ms a step, by a throw-away model of the same sizes
export const fieldErrors = signal<Record<string, string>>({});
export const trainedWith = signal<Wanted | null>(null);
export const samplesEvery = signal('100');

/** Every step so far, a column a quantity; drawn when the version changes. */
export const history = {
  step: [] as number[],
  loss: [] as number[],
  smooth: [] as number[],
  validation: [] as (number | null)[],
  rate: [] as number[],
  ms: [] as number[],
  hex: [] as string[],
  norms: new Map<string, (number | null)[]>(),
  samples: [] as { step: number; texts: string[] }[],
};
export const version = signal(0);
export const until = computed(() => Number(trainedWith.value?.steps ?? 0));
const SMOOTHING = 0.97;

export let python = begin();

function begin() {
  if (typeof WebAssembly === 'undefined')
    failure.value =
      'This browser has no WebAssembly: Python cannot run in it. Any browser since 2017 has it, unless it was switched off.';
  const started = startPython((share, loaded) => {
    loading.value = share;
    loadedBytes.value = loaded;
  });
  started.ready.then(
    (found) => {
      batch(() => {
        readyAfter.value = readyAfter.value || performance.now();
        hello.value = found;
        failure.value = '';
      });
    },
    (error: Error) => {
      if (error.message !== 'stopped') failure.value ||= error.message;
    },
  );
  return started;
}

/** Says at its field what is wrong, or above all if it belongs to none. */
export function report(error: unknown) {
  if (!(error instanceof PythonError)) throw error;
  if (error.message === 'stopped') return;
  fieldErrors.value = { ...fieldErrors.value, [error.field ?? '']: error.message };
  notice.value = error.message;
}

export const clearErrors = (...names: string[]) => {
  fieldErrors.value = Object.fromEntries(Object.entries(fieldErrors.value).filter(([name]) => !names.includes(name)));
};

// ----------------------------------------------------------------- settings are looked at as they change

let looking = 0;
let complained = false; // the last look found what belongs to no field
/** What is said of a file, of a training, a draw or a race stays: it is not about the settings, which may be looked at meanwhile. */
const ELSEWHERE = /^(file|model|samples_every|(draw|race)_.*)$/;
const clearSettings = () =>
  clearErrors(...Object.keys(fieldErrors.value).filter((name) => (name === '' ? complained : !ELSEWHERE.test(name))));
effect(() => {
  const ready = hello.value;
  const asked = [settings.value, ownText.value, ownSource.value];
  if (!ready || !asked) return;
  const mine = ++looking;
  setTimeout(() => mine === looking && void look(mine), 150);
});

async function look(mine: number) {
  const wanted = wantedNow();
  try {
    const found = await python.ask<Checked>('check', { settings: wanted });
    const documents = await python.ask<Description>('describe', { settings: wanted });
    if (mine !== looking) return;
    batch(() => {
      clearSettings();
      complained = false;
      checked.value = found;
      description.value = documents;
    });
    // a scalar engine's step takes a second and more; while a training is on its own times are better; and an engine that
    // is being typed may not end: it runs when it is asked for, where it can be stopped
    if (wanted.engine === 'own') estimate.value = null;
    else if (phase.value !== 'running' && phase.value !== 'starting') {
      const { ms } = await python.ask<{ ms: number }>('estimate', { settings: wanted });
      if (mine === looking) estimate.value = ms;
    }
  } catch (error) {
    if (mine !== looking) return;
    clearSettings();
    complained = error instanceof PythonError && !error.field;
    checked.value = null;
    estimate.value = null;
    report(error);
  }
}

// ----------------------------------------------------------------- training

function forget() {
  for (const column of [history.step, history.loss, history.smooth, history.rate, history.ms]) column.length = 0;
  history.hex.length = history.validation.length = history.samples.length = 0;
  history.norms.clear();
  version.value++;
}

const DRAW_EVERY = 50; // ms: drawing takes a processor from the training
let drawing = false;
function keep(record: StepRecord) {
  const last = history.smooth.at(-1);
  history.step.push(record.step);
  history.loss.push(record.loss);
  // the mean so far at first, then ever more the recent past
  const share = Math.min(SMOOTHING, history.step.length / (history.step.length + 1));
  history.smooth.push(last === undefined ? record.loss : share * last + (1 - share) * record.loss);
  history.validation.push(record.validation ?? null);
  history.rate.push(record.rate);
  history.ms.push(record.ms);
  history.hex.push(record.hex);
  if (record.samples) history.samples.unshift({ step: record.step, texts: record.samples });
  if (record.norms)
    for (const [name, norm] of Object.entries(record.norms)) {
      const column = history.norms.get(name) ?? [];
      column[history.step.length - 1] = norm;
      history.norms.set(name, column);
    }
  if (drawing) return;
  drawing = true;
  // frames don't come while the tab is in the background: the training goes on, and is drawn when it is back
  setTimeout(
    () =>
      requestAnimationFrame(() => {
        drawing = false;
        version.value++;
      }),
    DRAW_EVERY,
  );
}

/** Makes the model of the settings and trains, or goes on with the one that is there. */
export async function train(steps?: number) {
  clearErrors('', 'samples_every');
  const before = phase.value;
  try {
    const every = wholeNumber('samples_every', 'samples every', samplesEvery.value, 0);
    if (phase.value === 'none' || phase.value === 'done') await make();
    if (!about.value) return;
    const done = about.value.steps + history.step.length;
    const target = steps === undefined ? until.value : Math.min(until.value, done + steps);
    phase.value = 'running';
    halted.value = '';
    const { finished } = await python.ask<{ finished: boolean }>(
      'run',
      { until: target, norms: true, samples_every: every },
      keep,
    );
    phase.value = finished && target === until.value ? 'done' : 'paused';
    notice.value = phase.value === 'done' ? `Training is done: ${until.value} steps.` : 'Training is paused.';
  } catch (error) {
    // what was there is there still, if no training began
    if (phase.value === 'running') phase.value = history.step.length ? 'paused' : 'none';
    else phase.value = about.value ? before : 'none';
    report(error);
  } finally {
    version.value++;
  }
}

// a tab in the background trains on, until a browser that saves power halts it with all its workers
export const halted = signal(''); // what is said of that
document.addEventListener('freeze', () => {
  if (phase.value === 'running') halted.value = 'The browser has paused this tab.';
});
document.addEventListener('resume', () => {
  if (!halted.value) return;
  halted.value = 'The browser had paused this tab while it was in the background; the training goes on.';
  notice.value = halted.value;
});

async function make() {
  phase.value = 'starting';
  const wanted = wantedNow();
  const found = await python.ask<About>('start', { settings: wanted });
  batch(() => {
    forget();
    about.value = found;
    trainedWith.value = wanted;
  });
}

export const pause = () => python.ask('pause');

/** Back to the beginning. What does not answer, as an endless loop in an engine does not, is ended. */
export async function reset() {
  const answered = await Promise.race([pause().then(() => true), later(3000)]);
  if (!answered) restart();
  batch(() => {
    forget();
    about.value = null;
    trainedWith.value = null;
    phase.value = 'none';
    fieldErrors.value = {};
  });
}

/** A new worker in place of one that does not answer. */
export function restart() {
  python.terminate();
  hello.value = null;
  python = begin();
  phase.value = 'none';
  about.value = null;
}

const later = (ms: number) => new Promise<false>((go) => setTimeout(() => go(false), ms));

export async function loadModel(file: File) {
  try {
    const bytes = new Uint8Array(await file.arrayBuffer());
    const wanted = wantedNow();
    const found = await python.ask<About>('load_model', { settings: wanted, name: file.name, bytes });
    batch(() => {
      forget();
      clearErrors('', 'model');
      about.value = found;
      trainedWith.value = { ...wanted, steps: Number(found.config['schedule_steps'] ?? found.steps) };
      phase.value = found.trainable && found.steps < until.value ? 'paused' : 'done';
      notice.value = `Loaded ${file.name}: ${found.parameters} parameters after ${found.steps} steps.`;
    });
  } catch (error) {
    if (error instanceof PythonError) fieldErrors.value = { ...fieldErrors.value, model: error.message };
    else throw error;
  }
}

// a training, or a trained model that is in no file, is asked for before it is lost; settings come back by themselves
export const saved = signal(true);
effect(() => {
  if (phase.value === 'running') saved.value = false;
});
addEventListener('beforeunload', (event) => {
  if (!saved.value && phase.value !== 'none') event.preventDefault();
});
