/** Drawing texts from the model, all at once or token by token. */
import { signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { Input } from './field';
import { number, wholeNumber } from './numbers';
import { Card, percent, Scroll, shown } from './parts';
import type { Token } from './protocol';
import { PythonError } from './python';
import { about, clearErrors, phase, python, report, version } from './store';

const temperature = signal('0.5');
const topK = signal('');
const greedy = signal(false);
const prefix = signal('');
const count = signal('10');
const seed = signal('42');
const texts = signal<Token[][]>([]);
const usedPrefix = signal('');

/** The sampling as Python takes it. Throws what belongs to a field. */
function sampling() {
  const heat = number(temperature.value);
  if (Number.isNaN(heat))
    throw new PythonError(`temperature is '${temperature.value}': it must be a number above 0`, 'temperature', false);
  const k = topK.value.trim() === '' ? null : wholeNumber('top_k', 'top_k', topK.value);
  return { temperature: heat, top_k: k, greedy: greedy.value };
}

// the model has a top_k and a seed of its own
const PREFIX = 'draw_';
const DRAWING = ['temperature', 'top_k', 'prefix', 'number', 'seed'];
const refuse = (error: unknown) =>
  report(
    error instanceof PythonError && DRAWING.includes(error.field ?? '')
      ? new PythonError(error.message, PREFIX + error.field, error.fault)
      : error,
  );
const forget = () => {
  clearErrors('', ...DRAWING.map((name) => PREFIX + name));
};

async function generate() {
  try {
    forget();
    const samples = wholeNumber('number', 'number', count.value, 1);
    const found = await python.ask<{ tokens: Token[] }>('generate', {
      ...sampling(),
      prefix: prefix.value,
      samples,
      seed: wholeNumber('seed', 'seed', seed.value),
    });
    const grouped: Token[][] = Array.from({ length: samples }, () => []);
    for (const token of found.tokens) grouped[token[0]]?.push(token);
    texts.value = grouped;
    usedPrefix.value = prefix.value;
  } catch (error) {
    refuse(error);
  }
}

export function Generate() {
  if (!about.value) return <NoModel />;
  return (
    <>
      <Card
        title="Texts"
        aside={
          <button type="button" disabled={phase.value === 'running'} onClick={() => void generate()}>
            Generate
          </button>
        }
      >
        <div class="fields">
          <Input
            id="draw-temperature"
            name="draw_temperature"
            label="Temperature"
            value={temperature}
            hint="below 1 the probable becomes more so"
          />
          <Input
            id="draw-top_k"
            name="draw_top_k"
            label="Top k"
            value={topK}
            hint="the k most probable only; empty: all"
          />
          <Input id="draw-prefix" name="draw_prefix" label="Prefix" value={prefix} hint="what each text begins with" />
          <Input id="draw-number" name="draw_number" label="Number" value={count} hint="of texts" />
          <Input id="draw-seed" name="draw_seed" label="Seed" value={seed} hint="the same seed, the same texts" />
          <div class="field">
            <label class="switch">
              <input
                type="checkbox"
                checked={greedy.value}
                onChange={(event) => {
                  greedy.value = event.currentTarget.checked;
                }}
              />
              Greedy
            </label>
            <small class="hint">always the most probable</small>
          </div>
        </div>
        <ol class="texts" data-testid="texts">
          {texts.value.map((tokens, i) => (
            <li key={i}>
              {usedPrefix.value && <span class="given">{usedPrefix.value}</span>}
              {tokens.map((token) => (
                <span
                  key={token[1]}
                  class="token"
                  style={{ '--p': token[3] }}
                  title={`${percent(token[3])}; most probable: ${token[4].map(([name, p]) => `${shown(name)} ${percent(p)}`).join(', ')}`}
                >
                  {token[2] === '' ? '▪' : shown(token[2])}
                </span>
              ))}
            </li>
          ))}
        </ol>
        {texts.value.length > 0 && (
          <details>
            <summary>Token by token, as a table</summary>
            <Trace tokens={texts.value.flat()} />
          </details>
        )}
      </Card>
      <ByHand />
    </>
  );
}

export function NoModel() {
  return (
    <Card title="No model yet">
      <p>Train one first, or load one: both are under “Train”. A hundred steps are enough to see something.</p>
    </Card>
  );
}

function Trace({ tokens }: { tokens: Token[] }) {
  return (
    <Scroll>
      <table data-testid="trace">
        <thead>
          <tr>
            <th>sample</th>
            <th>position</th>
            <th>token</th>
            <th>probability</th>
            <th>most probable</th>
          </tr>
        </thead>
        <tbody>
          {tokens.slice(0, 500).map(([sample, position, token, probability, best]) => (
            <tr key={`${sample} ${position}`}>
              <td>{sample + 1}</td>
              <td>{position}</td>
              <td>{shown(token)}</td>
              <td>{percent(probability)}</td>
              <td>{best.map(([name, p]) => `${shown(name)} ${percent(p)}`).join('  ')}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

// ----------------------------------------------------------------- token by token

interface Place {
  text: string;
  ended: boolean;
}

const place = signal<Place>({ text: '', ended: false });
const before = signal<Place[]>([]); // to go back to, by undo
const probabilities = signal<[string, number][]>([]);
const full = signal(false);

function go(next: Place) {
  before.value = [...before.value, place.value];
  place.value = next;
}

const add = (token: string) =>
  go(token === '' ? { ...place.value, ended: true } : { text: place.value.text + token, ended: false });

async function look(draw: boolean) {
  try {
    forget();
    const found = await python.ask<{ probabilities: [string, number][]; full: boolean; drawn?: string }>('next', {
      ...sampling(),
      text: place.value.text,
      draw,
    });
    probabilities.value = found.probabilities;
    full.value = found.full;
    if (found.drawn !== undefined) add(found.drawn);
  } catch (error) {
    refuse(error);
  }
}

function ByHand() {
  const { text, ended } = place.value;
  const stopped = ended || full.value;
  useEffect(() => {
    if (phase.value !== 'running') void look(false);
  }, [text, temperature.value, topK.value, about.value, phase.value, version.value]);
  const most = Math.max(...probabilities.value.map(([, p]) => p), 1e-9);
  return (
    <Card
      title="Token by token"
      aside={
        <div class="buttons">
          <button type="button" disabled={stopped || phase.value === 'running'} onClick={() => void look(true)}>
            Draw one
          </button>
          <button
            type="button"
            class="secondary"
            disabled={!text && !ended}
            onClick={() => go({ text: ended ? text : text.slice(0, -1), ended: false })}
          >
            Back
          </button>
          <button
            type="button"
            class="secondary"
            disabled={before.value.length === 0}
            onClick={() => {
              const last = before.value.at(-1);
              if (last) place.value = last;
              before.value = before.value.slice(0, -1);
            }}
          >
            Undo
          </button>
        </div>
      }
    >
      <p class="by-hand" data-testid="by-hand">
        {text || <span class="hint">(nothing yet)</span>}
        {ended && <span class="given"> ▪ end</span>}
      </p>
      {full.value && !ended && <p class="hint">The block is full: the model sees no further.</p>}
      {!stopped && (
        <div class="bars" role="group" aria-label="Probability of each next character: choose one">
          {probabilities.value.map(([token, p]) => (
            <button
              type="button"
              key={token}
              aria-label={`${token === ' ' ? 'space' : shown(token)}, ${percent(p)}`}
              title={percent(p)}
              disabled={p === 0}
              onClick={() => add(token)}
            >
              <span style={{ height: `${(100 * p) / most}%` }} />
              <b>{shown(token)}</b>
            </button>
          ))}
        </div>
      )}
    </Card>
  );
}
