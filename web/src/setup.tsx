/** The settings: the data and the model. */
import { effect, signal } from '@preact/signals';
import { useRef } from 'preact/hooks';
import { Card, duration, shown, Trouble, whole } from './parts';
import { PythonError } from './python';
import {
  DEFAULT,
  FIELDS,
  type Field,
  OWN_TEXT,
  ownSource,
  ownText,
  PRESET_TEXTS,
  PRESETS,
  settings,
  setValue,
} from './settings';
import { checked, clearErrors, description, estimate, fieldErrors, hello, phase, python } from './store';

const LARGEST = 5_000_000; // bytes, as in python/playground.py; asked before a file is read

// where the settings stand above what they set, and would push it off the screen, they are folded; as wide as in style.css
const narrow = signal(false);
const unfolded = signal(false);
const query = matchMedia('(max-width: 1050px)');
const fold = () => {
  narrow.value = query.matches;
};
fold();
query.addEventListener('change', fold);
const HERE = ['data', 'file', 'engine', ...FIELDS.map(({ name }) => name)];
effect(() => {
  if (HERE.some((name) => fieldErrors.value[name])) unfolded.value = true;
});

export function Setup() {
  const parts = (
    <div class="setup">
      <Data />
      <Model />
    </div>
  );
  if (!narrow.value) return parts;
  const { data, engine } = settings.value;
  const size = checked.value && `, ${whole(checked.value.parameters)} parameters`;
  return (
    <details
      class="folded"
      open={unfolded.value}
      onToggle={(event) => {
        unfolded.value = event.currentTarget.open;
      }}
    >
      <summary>
        <b>Data and model</b>: {data === OWN_TEXT ? 'your text' : data}, {engine === 'own' ? 'your engine' : engine}
        {size}
      </summary>
      {parts}
    </details>
  );
}

// ----------------------------------------------------------------- data

async function take(file: File) {
  clearErrors('data', 'file');
  try {
    if (file.size > LARGEST)
      throw new PythonError(
        `${file.name} has ${whole(file.size)} bytes, and ${whole(LARGEST)} are the most: give a part of it`,
        'data',
        false,
      );
    if (file.size === 0) throw new PythonError(`${file.name} is empty: give a text`, 'data', false);
    const bytes = new Uint8Array(await file.arrayBuffer());
    const { text } = await python.ask<{ text: string }>('upload', { name: file.name, bytes });
    ownText.value = text;
    settings.value = { ...settings.value, data: OWN_TEXT };
  } catch (error) {
    if (error instanceof PythonError) fieldErrors.value = { ...fieldErrors.value, file: error.message };
    else throw error;
  }
}

function Data() {
  const chooser = useRef<HTMLInputElement>(null);
  const error = fieldErrors.value['data'] ?? fieldErrors.value['file'];
  const own = settings.value.data === OWN_TEXT;
  const known = hello.value?.lists ?? [DEFAULT.data];
  const lists = [...new Set([...known, ...Object.keys(PRESET_TEXTS)])].sort();
  const unknown = !own && hello.value && !lists.includes(settings.value.data);
  return (
    <Card title="Data">
      <div
        class="drop"
        onDragOver={(event) => event.preventDefault()}
        onDrop={(event) => {
          event.preventDefault();
          const file = event.dataTransfer?.files[0];
          if (file) void take(file);
        }}
      >
        <label>
          List
          <select
            id="list"
            value={settings.value.data}
            aria-describedby="data-error"
            onChange={(event) => {
              clearErrors('file');
              settings.value = { ...settings.value, data: event.currentTarget.value };
            }}
          >
            {unknown && <option value={settings.value.data}>{settings.value.data}</option>}
            {lists.map((name) => (
              <option key={name} value={name}>
                {name.replaceAll('_', ' ')}
              </option>
            ))}
            <option value={OWN_TEXT}>your own text</option>
          </select>
        </label>
        {own && (
          <>
            <label>
              Your text
              <textarea
                rows={5}
                spellcheck={false}
                aria-invalid={error ? true : undefined}
                aria-describedby="data-error"
                placeholder="one document a line"
                value={ownText.value}
                onInput={(event) => {
                  clearErrors('file');
                  ownText.value = event.currentTarget.value;
                }}
              />
            </label>
            <label class="switch">
              <input
                type="checkbox"
                checked={settings.value.blocks}
                onChange={(event) => {
                  settings.value = { ...settings.value, blocks: event.currentTarget.checked };
                }}
              />
              a running text: cut it into blocks
            </label>
          </>
        )}
        <button type="button" class="secondary" onClick={() => chooser.current?.click()}>
          Open a file
        </button>
        <span class="hint"> or drop one here: UTF-8 text, up to 5 MB</span>
        <input
          ref={chooser}
          type="file"
          hidden
          aria-label="Text file"
          id="text-file"
          onChange={(event) => {
            const file = event.currentTarget.files?.[0];
            if (file) void take(file);
            event.currentTarget.value = '';
          }}
        />
        <Trouble id="data-error" text={error} />
        {own && <p class="hint">Your own text stays in this tab: it is not in the address.</p>}
      </div>
      <Documents />
    </Card>
  );
}

function Documents() {
  const found = description.value;
  if (!found) return null;
  const most = Math.max(...found.histogram.map(([, count]) => count));
  return (
    <details>
      <summary>
        {whole(found.documents)} documents, {found.characters.length} characters, {found.shortest} to {found.longest}{' '}
        long
      </summary>
      <p class="characters">{[...found.characters].map(shown).join(' ')}</p>
      <div
        class="histogram"
        role="img"
        aria-label={`Lengths from ${found.shortest} to ${found.longest}, median ${found.median}`}
      >
        {found.histogram.map(([length, count]) => (
          <span key={length} title={`${length}: ${count}`} style={{ height: `${(100 * count) / most}%` }} />
        ))}
      </div>
      <p class="hint">
        lengths {found.shortest} to {found.longest}, median {found.median}; {whole(found.tokens)} tokens
      </p>
      <ul class="preview">
        {found.preview.map((document, i) => (
          <li key={i}>{document}</li>
        ))}
      </ul>
    </details>
  );
}

// ----------------------------------------------------------------- model

function presetNow(): string {
  const now = settings.value.values;
  const match = Object.entries(PRESETS).find(([, changes]) =>
    FIELDS.every(({ name, initial }) => name === 'seed' || now[name] === (changes[name] ?? initial)),
  );
  return match?.[0] ?? '';
}

function Model() {
  const preset = presetNow();
  const errors = fieldErrors.value;
  const more = FIELDS.filter((field) => field.more);
  return (
    <Card title="Model">
      <div class="presets" role="group" aria-label="Presets">
        {Object.entries(PRESETS).map(([name, changes]) => (
          <button
            type="button"
            key={name}
            class="secondary"
            aria-pressed={preset === name}
            onClick={() => {
              const seed = settings.value.values['seed'] ?? '42';
              settings.value = { ...settings.value, values: { ...DEFAULT.values, seed, ...changes } };
            }}
          >
            {name}
          </button>
        ))}
      </div>
      <EngineChoice />
      <div class="fields">
        {FIELDS.filter((field) => !field.more).map((field) => (
          <FieldInput key={field.name} field={field} />
        ))}
      </div>
      <details open={more.some(({ name }) => errors[name])}>
        <summary>More training options</summary>
        <div class="fields">
          {more.map((field) => (
            <FieldInput key={field.name} field={field} />
          ))}
        </div>
      </details>
      <Size />
    </Card>
  );
}

function EngineChoice() {
  const engines = hello.value?.engines ?? [];
  const chosen = engines.find(({ name }) => name === settings.value.engine);
  return (
    <label>
      Engine
      <select
        id="engine"
        value={settings.value.engine}
        onChange={(event) => {
          settings.value = { ...settings.value, engine: event.currentTarget.value };
        }}
      >
        {!chosen && settings.value.engine !== 'own' && <option>{settings.value.engine}</option>}
        {engines.map(({ name, unavailable }) => (
          <option key={name} disabled={!!unavailable} value={name}>
            {name}
            {unavailable ? ' (not in a browser)' : ''}
          </option>
        ))}
        {ownSource.value && <option value="own">your engine</option>}
      </select>
      <Trouble text={fieldErrors.value['engine']} />
      <span class="hint">{chosen?.summary ?? ''}</span>
    </label>
  );
}

function FieldInput({ field }: { field: Field }) {
  const { name, label, kind, hint } = field;
  const value = settings.value.values[name] ?? '';
  const error = fieldErrors.value[name];
  const about = { id: `field-${name}`, 'aria-describedby': `about-${name}`, 'aria-invalid': error ? true : undefined };
  const set = (typed: string) => setValue(name, typed);
  return (
    <div class={`field ${error ? 'wrong' : ''}`}>
      {kind === 'switch' ? (
        <label class="switch">
          <input
            {...about}
            type="checkbox"
            checked={value === 'yes'}
            onChange={(event) => set(event.currentTarget.checked ? 'yes' : '')}
          />
          {label}
        </label>
      ) : (
        <>
          <label for={`field-${name}`}>{label}</label>
          {Array.isArray(kind) ? (
            <select {...about} value={value} onChange={(event) => set(event.currentTarget.value)}>
              {kind.map((choice: string) => (
                <option key={choice}>{choice}</option>
              ))}
            </select>
          ) : (
            <input
              {...about}
              inputMode={kind === 'whole' ? 'numeric' : 'decimal'}
              autocomplete="off"
              value={value}
              onInput={(event) => set(event.currentTarget.value)}
            />
          )}
        </>
      )}
      <small id={`about-${name}`} class={error ? 'trouble' : 'hint'} role={error ? 'alert' : undefined}>
        {error ?? hint}
      </small>
    </div>
  );
}

function Size() {
  const found = checked.value;
  if (!found)
    return <p class="hint">{hello.value ? '' : 'Parameters and time are told as soon as Python is there.'}</p>;
  const steps = Number(settings.value.values['steps']);
  const seconds = estimate.value === null ? null : (estimate.value * steps) / 1000;
  return (
    <p class="size" data-testid="size">
      <b>{whole(found.parameters)}</b> parameters
      {seconds !== null && (
        <>
          , about <b>{duration(seconds)}</b> for {whole(steps)} steps
        </>
      )}
      {found.megabytes > 200 && <>, about {(found.megabytes / 1000).toFixed(1)} GB of memory</>}
      {found.cut && <span class="warn"> {found.cut}.</span>}
      {phase.value !== 'none' && phase.value !== 'done' && (
        <span class="hint"> Changes count from the next start on.</span>
      )}
    </p>
  );
}
