/** A worker with Python in it. It takes one order after the other; a training looks for orders after each step. */
import type { loadPyodide, PyodideAPI } from 'pyodide';
import type { Answer, Order, StepRecord } from './protocol';

const sources = import.meta.glob<string>(
  ['../../bench/__init__.py', '../../bench/workload/**/*.{py,txt}', '../../engines/*.py'],
  { query: '?raw', import: 'default', eager: true },
);
const ours = import.meta.glob<string>(['../python/*.py'], { query: '?raw', import: 'default', eager: true });
// the engine native's extension module, where `nox -s playground` could compile it
const modules = import.meta.glob<string>('../../native/*wasm32-emscripten.so', {
  query: '?url',
  import: 'default',
  eager: true,
});
const HOME = '/home/pyodide/project/';
const CACHE = 'playground';
const TYPES: Record<string, string> = { wasm: 'application/wasm', mjs: 'text/javascript', json: 'application/json' };
// what is loaded before the first step, in bytes, for the bar: Pyodide's own files
const EXPECTED = 13_500_000;

let answer: (order: string) => string;
let files: PyodideAPI['FS'];
let running = false;

const post = (message: Answer) => self.postMessage(message);

/** fetch, from the cache where it is there, with a report of how much has come. */
function countingFetch(missing: (url: string) => void): typeof fetch {
  let loaded = 0;
  const plain = self.fetch.bind(self);
  return async (input, init) => {
    const url = input instanceof Request ? input.url : String(input);
    const cache = typeof caches === 'undefined' ? undefined : await caches.open(CACHE).catch(() => undefined);
    let response = await cache?.match(url);
    if (!response) {
      response = await plain(input, init).catch((error: unknown) => {
        missing(`${url} did not come: ${error instanceof Error ? error.message : String(error)}`);
        throw error;
      });
      if (response.ok) cache?.put(url, response.clone()).catch(() => undefined);
    }
    if (!response.ok) missing(`${url} is missing (${response.status})`);
    if (!response.ok || !response.body) return response;
    const counter = new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        loaded += chunk.byteLength;
        post({ event: 'progress', loaded, total: Math.max(EXPECTED, loaded) });
        controller.enqueue(chunk);
      },
    });
    const type = TYPES[url.split('.').pop() ?? ''] ?? 'application/octet-stream';
    return new Response(response.body.pipeThrough(counter), { status: 200, headers: { 'content-type': type } });
  };
}

async function load(base: string, hello: boolean): Promise<unknown> {
  if (typeof WebAssembly === 'undefined') throw new Error('this browser has no WebAssembly: Python cannot run in it');
  const compiled = Object.entries(modules).map(async ([path, url]) => [path, await bytesOf(url)] as const);
  // Pyodide waits for ever where a file of its own is missing
  const broken = new Promise<never>((_, reject) => {
    self.fetch = countingFetch((what) => reject(new Error(what)));
  });
  const module = (await import(/* @vite-ignore */ `${base}pyodide.mjs`).catch(() => {
    throw new Error(`Python did not load: ${base}pyodide.mjs is missing; load the page again`);
  })) as { loadPyodide: typeof loadPyodide };
  const pyodide = await Promise.race([module.loadPyodide({ indexURL: base }), broken]).catch((error: unknown) => {
    throw new Error(`Python did not load: ${String(error).split('\n')[0]}; load the page again`);
  });
  files = pyodide.FS;
  for (const [path, text] of Object.entries(sources)) write(HOME + path.replace('../../', ''), text);
  for (const [path, text] of Object.entries(ours)) write(`${HOME}page/${path.split('/').pop()}`, text);
  for (const [path, bytes] of await Promise.all(compiled)) write(HOME + path.replace('../../', ''), bytes);
  pyodide.runPython(`
import sys
sys.path[:0] = ["${HOME}page", "${HOME.slice(0, -1)}"]
import pathlib, functools
import playground
page = playground.Playground(pathlib.Path("/home/pyodide"))
answer = functools.partial(playground.answer, page)
`);
  answer = pyodide.globals.get('answer') as (order: string) => string;
  return hello ? call('hello', {}) : null;
}

function write(path: string, content: string | Uint8Array) {
  files.mkdirTree(path.slice(0, path.lastIndexOf('/')));
  files.writeFile(path, content);
}

/** A file of the page's own; empty where it does not come, and the engine that needs it says so. */
async function bytesOf(url: string): Promise<Uint8Array> {
  const response = await self.fetch(url).catch(() => undefined);
  return new Uint8Array(response?.ok ? await response.arrayBuffer() : []);
}

class Refused extends Error {
  constructor(
    message: string,
    readonly field: string | null,
    readonly fault: boolean,
  ) {
    super(message);
  }
}

function call(what: string, order: Record<string, unknown>): unknown {
  const found = JSON.parse(answer(JSON.stringify({ ...order, do: what }))) as
    | { result: unknown }
    | { error: string; field: string | null; fault: boolean };
  if ('error' in found) throw new Refused(found.error, found.field, found.fault);
  return found.result;
}

const channel = new MessageChannel();
/** Lets orders in that have come meanwhile. Timers would wait 4 ms. */
const breathe = () =>
  new Promise<void>((go) => {
    channel.port1.onmessage = () => go();
    channel.port2.postMessage(null);
  });

async function run(order: Order): Promise<unknown> {
  const until = order['until'] as number;
  running = true;
  let last = 0;
  while (running && last < until) {
    const record = call((order['step'] as string | undefined) ?? 'step', order) as StepRecord;
    last = record.step;
    post({ event: 'step', id: order.id, record });
    if (last < until) await breathe();
  }
  running = false;
  return { step: last, finished: last >= until };
}

self.onmessage = async ({ data: order }: MessageEvent<Order>) => {
  try {
    let result: unknown = null;
    if (order.do === 'load') result = await load(order['base'] as string, !!order['hello']);
    else if (order.do === 'run') result = await run(order);
    else if (order.do === 'pause') running = false;
    else if (order.do === 'steps') result = Array.from({ length: order['count'] as number }, () => call('step', {}));
    else {
      if (order['bytes']) files.writeFile(`/home/pyodide/${order['name'] as string}`, order['bytes'] as Uint8Array);
      result = call(order.do === 'load_model' ? 'load' : order.do, { ...order, bytes: null });
    }
    post({ id: order.id, result });
  } catch (error) {
    running = false;
    if (error instanceof Refused) post({ id: order.id, error: error.message, field: error.field, fault: error.fault });
    else
      post({ id: order.id, error: error instanceof Error ? error.message : String(error), field: null, fault: true });
  }
};
