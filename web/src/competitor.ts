/** The JavaScript port among the competitors: examples/microgpt.mjs, which is no part of the playground's own model. */

// @ts-expect-error: it is plain JavaScript, to be read beside microgpt.py
import { microgpt } from '../../examples/microgpt.mjs';
import type { Answer, Order, StepRecord, Wanted } from './protocol';

interface Run {
  step(): number;
}

let run: Run | null = null;
let done = 0;
let running = false;
const post = (message: Answer) => self.postMessage(message);
const channel = new MessageChannel();
const breathe = () =>
  new Promise<void>((go) => {
    channel.port1.onmessage = () => go();
    channel.port2.postMessage(null);
  });

function step(): StepRecord {
  if (!run) throw new Error('start first');
  const started = performance.now();
  const loss = run.step();
  return { step: ++done, loss, hex: hex(loss), rate: 0, ms: performance.now() - started };
}

/** As Python's float.hex. */
function hex(x: number): string {
  if (!Number.isFinite(x)) return String(x);
  if (x === 0) return '0x0.0p+0';
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, x);
  const bits = view.getBigUint64(0);
  const exponent = Number((bits >> 52n) & 0x7ffn) - 1023;
  const fraction = (bits & 0xfffffffffffffn).toString(16).padStart(13, '0');
  return `${x < 0 ? '-' : ''}0x1.${fraction}p${exponent < 0 ? '' : '+'}${exponent}`;
}

self.onmessage = async ({ data: order }: MessageEvent<Order>) => {
  try {
    let result: unknown = null;
    if (order.do === 'start') {
      const { options, steps } = order['settings'] as Wanted;
      const text = order['documents'] as string;
      const given = { gaussian: options['gaussian'] ?? 'polar', seed: options['seed'] ?? 42, schedule: steps };
      run = microgpt(text, given) as Run;
      done = 0;
    } else if (order.do === 'run') {
      running = true;
      while (running && done < (order['until'] as number)) {
        post({ event: 'step', id: order.id, record: step() });
        await breathe();
      }
      result = { step: done, finished: running };
    } else if (order.do === 'steps') result = Array.from({ length: order['count'] as number }, step);
    else if (order.do === 'pause') running = false;
    post({ id: order.id, result });
  } catch (error) {
    post({ id: order.id, error: error instanceof Error ? error.message : String(error), field: null, fault: true });
  }
};
