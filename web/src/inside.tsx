/** Looking inside the model: attention, embeddings, activations, and the autograd graph. */
import { signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { NoModel } from './generate';
import { GraphView } from './graph';
import { Card, percent, Scroll, shown, Trouble } from './parts';
import { PythonError } from './python';
import { about, phase, python, version } from './store';

interface Found {
  tokens: string[];
  attention: number[][][][]; // layer, head, position, weights
  layers: { neurons: number[][]; closed: number }[];
  next: [string, number][][];
}

interface Embeddings {
  tokens: string[];
  vectors: number[][];
  positions: number[][];
  points: [number, number][];
  shares: [number, number];
}

const text = signal('');
const found = signal<Found | null>(null);
const embeddings = signal<Embeddings | null>(null);
const trouble = signal('');

async function look() {
  try {
    const cleaned = text.value || (about.value?.characters ?? '').replace(/\s/g, '').slice(0, 4);
    text.value = cleaned;
    embeddings.value = await python.ask<Embeddings>('embeddings');
    found.value = await python.ask<Found>('look', { text: cleaned });
    trouble.value = '';
  } catch (error) {
    if (!(error instanceof PythonError)) throw error;
    if (error.message !== 'stopped') trouble.value = error.message;
  }
}

export function Inside() {
  const running = phase.value === 'running';
  useEffect(() => {
    if (about.value && !running) void look();
  }, [about.value, running, version.value]);
  if (!about.value) return <NoModel />;
  return (
    <>
      <Card title="A text">
        {running && <p class="hint">The model is being trained: pause it to look inside.</p>}
        <label>
          What the model reads
          <input
            value={text.value}
            aria-invalid={trouble.value ? true : undefined}
            aria-describedby="look-error"
            autocomplete="off"
            spellcheck={false}
            onInput={(event) => {
              text.value = event.currentTarget.value;
              if (!running && text.value) void look();
            }}
          />
        </label>
        <Trouble id="look-error" text={trouble.value} />
        {found.value && <Next found={found.value} />}
      </Card>
      {found.value && <Attention found={found.value} />}
      {found.value && <Neurons found={found.value} />}
      {embeddings.value && <Embedded found={embeddings.value} />}
      <GraphView />
    </>
  );
}

function Next({ found }: { found: Found }) {
  return (
    <Scroll>
      <table class="next">
        <thead>
          <tr>
            <th>after</th>
            <th colSpan={5}>most probable next</th>
          </tr>
        </thead>
        <tbody>
          {found.next.map((best, i) => (
            <tr key={i}>
              <th scope="row">{i === 0 ? 'start' : shown(found.tokens[i] ?? '')}</th>
              {best.map(([name, p]) => (
                <td key={name} style={{ '--p': p }} class="shade">
                  {shown(name)} {percent(p)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

function Attention({ found }: { found: Found }) {
  const names = found.tokens.map((token, i) => (i === 0 ? '▪' : shown(token)));
  return (
    <Card title="Attention">
      <p class="hint">A row for each character: how much of each earlier one every head looks at. Darker is more.</p>
      <div class="heads">
        {found.attention.flatMap((heads, layer) =>
          heads.map((rows, head) => (
            <figure key={`${layer} ${head}`}>
              <figcaption>
                layer {layer + 1}, head {head + 1}
              </figcaption>
              <Triangle rows={rows} names={names} label={`Attention of layer ${layer + 1}, head ${head + 1}`} />
            </figure>
          )),
        )}
      </div>
    </Card>
  );
}

function Triangle({ rows, names, label }: { rows: number[][]; names: string[]; label: string }) {
  const size = 18;
  const n = rows.length;
  const strongest = rows.map((row, i) => `${names[i]} looks most at ${names[row.indexOf(Math.max(...row))]}`);
  return (
    <svg
      viewBox={`0 0 ${size * (n + 1)} ${size * (n + 1)}`}
      role="img"
      aria-label={`${label}: ${strongest.slice(1).join(', ')}`}
    >
      {rows.map((row, i) => (
        <g key={i}>
          <text x={size * 0.5} y={size * (i + 1.65)}>
            {names[i]}
          </text>
          <text x={size * (i + 1.5)} y={size * 0.7}>
            {names[i]}
          </text>
          {row.map((weight, j) => (
            <rect
              key={j}
              x={size * (j + 1) + 1}
              y={size * (i + 1) + 1}
              width={size - 2}
              height={size - 2}
              rx={3}
              class="cell"
              style={{ '--p': weight }}
            >
              <title>{`${names[i]} → ${names[j]}: ${percent(weight)}`}</title>
            </rect>
          ))}
        </g>
      ))}
    </svg>
  );
}

function Neurons({ found }: { found: Found }) {
  return (
    <Card title="Activations of the perceptron">
      {found.layers.map(({ neurons, closed }, layer) => {
        const most = Math.max(...neurons.flat(), 1e-9);
        const width = neurons[0]?.length ?? 1;
        return (
          <figure key={layer}>
            <figcaption>
              layer {layer + 1}: <b data-testid="closed">{percent(closed)}</b> of the relus are closed
            </figcaption>
            <svg
              viewBox={`0 0 ${width * 6 + 24} ${neurons.length * 14}`}
              role="img"
              aria-label={`Activations of layer ${layer + 1}: ${percent(closed)} are zero`}
            >
              {neurons.map((row, i) => (
                <g key={i}>
                  <text x={10} y={i * 14 + 10}>
                    {i === 0 ? '▪' : shown(found.tokens[i] ?? '')}
                  </text>
                  {row.map((x, j) => (
                    <rect
                      key={j}
                      x={24 + j * 6}
                      y={i * 14 + 1}
                      width={5}
                      height={12}
                      class="cell"
                      style={{ '--p': x / most }}
                    />
                  ))}
                </g>
              ))}
            </svg>
          </figure>
        );
      })}
    </Card>
  );
}

function Embedded({ found }: { found: Embeddings }) {
  const xs = found.points.map(([x]) => x);
  const ys = found.points.map(([, y]) => y);
  const scale = (value: number, all: number[], size: number) => {
    const low = Math.min(...all);
    return 14 + ((value - low) / (Math.max(...all) - low || 1)) * (size - 28);
  };
  const most = Math.max(...found.vectors.flat().map(Math.abs), 1e-9);
  const width = found.vectors[0]?.length ?? 1;
  return (
    <Card title="Embeddings">
      <div class="two">
        <figure>
          <figcaption>
            A map of the characters: two principal components, {percent(found.shares[0] + found.shares[1])} of the
            variance
          </figcaption>
          <svg viewBox="0 0 360 260" role="img" aria-label="Map of the characters' embeddings" data-testid="map">
            {found.points.map(([x, y], i) => (
              <text key={i} x={scale(x, xs, 360)} y={scale(y, ys, 260) + 4} class="point">
                {shown(found.tokens[i] ?? '')}
              </text>
            ))}
          </svg>
        </figure>
        <figure>
          <figcaption>The same as a heat map: a row for each character</figcaption>
          <svg
            viewBox={`0 0 ${24 + 12 * width} ${10 * found.vectors.length}`}
            role="img"
            aria-label="Embeddings as a heat map"
          >
            {found.vectors.map((row, i) => (
              <g key={i}>
                <text x={10} y={i * 10 + 8} class="small">
                  {shown(found.tokens[i] ?? '')}
                </text>
                {row.map((x, j) => (
                  <rect
                    key={j}
                    x={24 + 12 * j}
                    y={10 * i}
                    width={11}
                    height={9}
                    class={x < 0 ? 'cell below' : 'cell'}
                    style={{ '--p': Math.abs(x) / most }}
                  />
                ))}
              </g>
            ))}
          </svg>
        </figure>
      </div>
    </Card>
  );
}
