/** Small parts that several views share. */
import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { scheme } from './theme';

export function Card({
  title,
  children,
  aside,
}: {
  title: string;
  children: ComponentChildren;
  aside?: ComponentChildren;
}) {
  return (
    <section class="card" aria-label={title}>
      <header>
        <h2>{title}</h2>
        {aside}
      </header>
      {children}
    </section>
  );
}

export function Trouble({ id, text }: { id?: string; text: string | undefined }) {
  return text ? (
    <p class="trouble" id={id} role="alert">
      {text}
    </p>
  ) : null;
}

/** A box that scrolls sideways on a narrow screen, by keyboard too. */
export function Scroll({ label = 'Table', children }: { label?: string; children: ComponentChildren }) {
  return (
    <section class="scroll" tabIndex={0} aria-label={label}>
      {children}
    </section>
  );
}

export interface Line {
  label: string;
  colour: number; // of the palette, from 0; beyond its eight, the same again and dashed
  points?: boolean;
  faint?: boolean;
}

/** A line chart over steps. ``columns``: the steps, then a column a line. */
export function Chart({
  title,
  lines,
  columns,
  log,
  height = 260,
}: {
  title: string;
  lines: Line[];
  columns: (number | null)[][];
  log?: boolean;
  height?: number;
}) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const look = `${scheme.value} ${lines.map((line) => line.label).join()} ${log}`;
  useEffect(() => {
    const box = place.current;
    if (!box) return;
    const style = getComputedStyle(box);
    const axis = {
      stroke: style.getPropertyValue('--muted'),
      grid: { stroke: style.getPropertyValue('--line'), width: 1 },
      ticks: { stroke: style.getPropertyValue('--line'), width: 1 },
      font: '12px system-ui, sans-serif',
    };
    const made = new uPlot(
      {
        width: box.clientWidth || 300,
        height,
        scales: { x: { time: false }, y: log ? { distr: 3 } : {} },
        axes: [axis, { ...axis, size: 56 }],
        cursor: { y: false },
        series: [
          { label: 'step', value: (_: uPlot, value: number | null) => (value == null ? '' : String(value)) },
          ...lines.map(({ label, colour, points, faint }) => ({
            label,
            stroke: style.getPropertyValue(`--c${colour % 8}`) + (faint ? '66' : ''),
            ...(colour < 8 ? {} : { dash: [6, 4] }),
            width: faint ? 1 : 2,
            points: { show: !!points, size: 7 },
            spanGaps: true,
            value: (_: uPlot, value: number | null) => (value == null ? '' : value.toPrecision(4)),
          })),
        ],
      },
      columns as uPlot.AlignedData,
      box,
    );
    plot.current = made;
    const resize = new ResizeObserver(() => made.setSize({ width: box.clientWidth || 300, height }));
    resize.observe(box);
    return () => {
      resize.disconnect();
      made.destroy();
    };
  }, [look, height]);
  useEffect(() => plot.current?.setData(columns as uPlot.AlignedData));
  const last = lines.map(({ label }, i) => {
    const value = columns[i + 1]?.findLast((x) => x != null);
    return value == null ? '' : `${label} ${value.toPrecision(4)}`;
  });
  return (
    <div
      class="chart"
      ref={place}
      role="img"
      aria-label={`${title}. Last: ${last.filter(Boolean).join(', ') || 'nothing yet'}`}
    />
  );
}

/** A value as a table shows it. */
export const shown = (token: string) => (token === '' ? 'end' : token === ' ' ? '␣' : token);
export const percent = (p: number) => `${(100 * p).toFixed(p > 0 && p < 0.001 ? 2 : 1)} %`;
export const whole = (n: number) => n.toLocaleString('en');

export function duration(seconds: number): string {
  if (seconds < 1) return 'less than a second';
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

export function download(name: string, text: string, type: string) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

export function median(numbers: number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? (sorted[middle] ?? 0) : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
}

/** The middle of some steps' times in ms; their mean where a browser's clock ticks too coarsely for one step. */
export function typical(times: number[]): number {
  const middle = median(times);
  return middle < 1 ? times.reduce((sum, time) => sum + time, 0) / times.length : middle;
}
