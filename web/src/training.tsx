/** Training: the loss as it falls, samples as they change, and the model to keep. */
import { useRef } from 'preact/hooks';
import { Card, Chart, download, duration, median, Trouble, whole } from './parts';
import { settings } from './settings';
import {
  about,
  checked,
  clearErrors,
  fieldErrors,
  halted,
  hello,
  history,
  loadModel,
  pause,
  phase,
  python,
  report,
  reset,
  samplesEvery,
  saved,
  train,
  trainedWith,
  until,
  version,
} from './store';

export function Training() {
  version.value; // drawn anew when there is more
  const done = (about.value?.steps ?? 0) + history.step.length;
  const last = history.step.length - 1;
  const recent = median(history.ms.slice(-50));
  const hasValidation = history.validation.some((x) => x !== null);
  return (
    <>
      <Card title="Training" aside={<Buttons />}>
        {(phase.value !== 'none' || history.step.length > 0) && (
          <progress value={done} max={until.value || 1} aria-label="Steps done" />
        )}
        {halted.value && <p class="hint">{halted.value}</p>}
        <dl class="numbers">
          <Figure name="step" value={`${whole(done)}${until.value ? ` / ${whole(until.value)}` : ''}`} />
          <Figure name="loss" value={history.smooth[last]?.toFixed(4) ?? '–'} />
          {hasValidation && (
            <Figure name="validation" value={history.validation.findLast((x) => x !== null)?.toFixed(4) ?? '–'} />
          )}
          <Figure name="learning rate" value={history.rate[last]?.toPrecision(3) ?? '–'} />
          <Figure name="ms a step" value={history.ms.length ? recent.toFixed(2) : '–'} />
          <Figure
            name="time left"
            value={history.ms.length && phase.value !== 'done' ? duration((recent * (until.value - done)) / 1000) : '–'}
          />
        </dl>
        <Chart
          title="Loss in nats per token over steps"
          lines={[
            { label: 'each step', colour: 0, faint: true },
            { label: 'smoothed', colour: 0 },
            { label: 'held out', colour: 1, points: true },
          ]}
          columns={[history.step, history.loss, history.smooth, history.validation]}
        />
        <p class="hint">
          Nats per token.
          {checked.value && ` All characters as probable: ${checked.value.uniform.toFixed(3)}.`}
          {about.value?.cut && ` Here ${about.value.cut}.`}
        </p>
      </Card>
      <div class="two">
        <Samples />
        <Keep />
      </div>
      <Card title="Gradient norms">
        <p class="hint">Of each matrix, every ten steps, on a logarithmic axis.</p>
        <Chart
          title="Norm of each matrix's gradient over steps"
          log
          height={200}
          lines={[...history.norms.keys()].slice(0, 12).map((label, i) => ({ label, colour: i }))}
          columns={[history.step, ...[...history.norms.values()].slice(0, 12).map((column) => padded(column))]}
        />
      </Card>
    </>
  );
}

/** A column as long as the steps, with null where nothing was looked at. */
const padded = (column: (number | null)[]) => Array.from(history.step, (_, i) => column[i] ?? null);

function Figure({ name, value }: { name: string; value: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd data-testid={name}>{value}</dd>
    </div>
  );
}

function Buttons() {
  const now = phase.value;
  const ready = !!hello.value;
  const resumable = now === 'paused';
  return (
    <div class="buttons">
      {now === 'running' ? (
        <button type="button" onClick={() => void pause()}>
          Pause
        </button>
      ) : (
        <button
          type="button"
          disabled={!ready || now === 'starting'}
          aria-busy={now === 'starting'}
          onClick={() => void train()}
        >
          {resumable ? 'Resume' : now === 'done' ? 'Train anew' : 'Train'}
        </button>
      )}
      <button
        type="button"
        class="secondary"
        disabled={!ready || now === 'running' || now === 'starting' || now === 'done'}
        onClick={() => void train(1)}
      >
        Step
      </button>
      <button type="button" class="secondary" disabled={now === 'none'} onClick={() => void reset()}>
        Reset
      </button>
    </div>
  );
}

function Samples() {
  version.value; // as above: a part is drawn anew for what it reads itself
  const error = fieldErrors.value['samples_every'];
  return (
    <Card
      title="Samples"
      aside={
        <label class="inline">
          every
          <input
            inputMode="numeric"
            aria-label="Samples every so many steps"
            aria-invalid={error ? true : undefined}
            aria-describedby="samples-error"
            value={samplesEvery.value}
            onInput={(event) => {
              samplesEvery.value = event.currentTarget.value;
              clearErrors('samples_every');
            }}
          />
          steps
        </label>
      }
    >
      <Trouble id="samples-error" text={error} />
      {history.samples.length === 0 && <p class="hint">What the model writes while it learns.</p>}
      <ol class="samples" data-testid="samples">
        {history.samples.slice(0, 40).map(({ step, texts }) => (
          <li key={step}>
            <span>{whole(step)}</span>
            {texts.map((text, i) => (
              <q key={i}>{text}</q>
            ))}
          </li>
        ))}
      </ol>
    </Card>
  );
}

function Keep() {
  version.value;
  const chooser = useRef<HTMLInputElement>(null);
  const any = !!about.value && phase.value !== 'running';
  const save = async () => {
    try {
      const { text } = await python.ask<{ text: string }>('save');
      download('model.json', text, 'application/json');
      saved.value = true;
    } catch (error) {
      report(error);
    }
  };
  return (
    <Card title="Keep">
      <div class="buttons">
        <button type="button" class="secondary" disabled={!any} onClick={() => void save()}>
          Save the model
        </button>
        <button
          type="button"
          class="secondary"
          disabled={phase.value === 'running' || !hello.value}
          onClick={() => chooser.current?.click()}
        >
          Load a model
        </button>
        <button
          type="button"
          class="secondary"
          disabled={!history.step.length}
          onClick={() => download('losses.csv', csv(), 'text/csv')}
        >
          Losses as CSV
        </button>
      </div>
      <input
        ref={chooser}
        type="file"
        hidden
        id="model-file"
        aria-label="Model file"
        accept=".json"
        onChange={(event) => {
          const file = event.currentTarget.files?.[0];
          if (file) void loadModel(file);
          event.currentTarget.value = '';
        }}
      />
      <Trouble text={fieldErrors.value['model']} />
      {about.value && (
        <p class="hint">
          The model here: {whole(about.value.parameters)} parameters, engine {about.value.engine},{' '}
          {trainedWith.value?.data ?? settings.value.data}.
          {!about.value.trainable &&
            ' Its characters are not those of the data chosen: it can be drawn from and looked at, not trained on.'}
        </p>
      )}
      <p class="hint">
        The same JSON as <code>microgpt-bench train --save</code>:{' '}
        <code>microgpt-bench generate --model model.json</code> reads it.
      </p>
    </Card>
  );
}

function csv(): string {
  const rows = history.step.map((step, i) =>
    [
      step,
      history.loss[i],
      history.hex[i],
      history.rate[i],
      history.ms[i]?.toFixed(3),
      history.validation[i] ?? '',
    ].join(),
  );
  return `step,loss,loss_hex,learning_rate,ms,validation\n${rows.join('\n')}\n`;
}
