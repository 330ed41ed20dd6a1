/** Keeps the page for a second visit without a network. */
import { effect } from '@preact/signals';
import { hello } from './store';

const CACHE = 'playground'; // as in worker.ts

export async function keepOffline() {
  if (!('serviceWorker' in navigator) || typeof caches === 'undefined') return;
  await new Promise<void>((go) => {
    effect(() => {
      if (hello.value) go(); // nothing competes with the first load
    });
  });
  try {
    await navigator.serviceWorker.register('./sw.js');
    const cache = await caches.open(CACHE);
    const files = (await (await fetch('./offline.json')).json()) as string[];
    const keep = new Set(files.map((name) => new URL(name, document.baseURI).href));
    const pyodide = new URL(__PYODIDE__, document.baseURI).href;
    keep.add(`${pyodide}pyodide.mjs`);
    for (const { url } of await cache.keys()) {
      if (!keep.has(url) && !url.startsWith(pyodide)) await cache.delete(url); // of an earlier version
    }
    for (const url of keep) if (!(await cache.match(url)) || !/\/(assets|pyodide-)/.test(url)) await cache.add(url);
    document.documentElement.dataset['offline'] = 'yes';
  } catch {
    // no room, or a server without the files: the page works, but not offline
  }
}
