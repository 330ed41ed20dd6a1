import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { defineConfig, type Plugin } from 'vite';

// What the browser needs of Pyodide; the rest of the package is for Node and for its console.
const PYODIDE = ['pyodide.mjs', 'pyodide.asm.mjs', 'pyodide.asm.wasm', 'python_stdlib.zip', 'pyodide-lock.json'];

/** Puts Pyodide's files beside the page, in a folder named after the version, so that a cache never mixes two. */
function pyodide(): Plugin {
  const home = new URL('./node_modules/pyodide/', import.meta.url);
  const version = (JSON.parse(readFileSync(new URL('package.json', home), 'utf8')) as { version: string }).version;
  return {
    name: 'pyodide',
    config: () => ({ define: { __PYODIDE__: JSON.stringify(`pyodide-${version}/`) } }),
    generateBundle() {
      for (const name of PYODIDE) {
        const source = readFileSync(new URL(name, home));
        // without its map, whose address stands in the last line
        const content = name.endsWith('.mjs') ? source.toString().replace(/\n\/\/# sourceMappingURL=.*/g, '') : source;
        this.emitFile({ type: 'asset', fileName: `pyodide-${version}/${name}`, source: content });
      }
    },
  };
}

/** Lists for the service worker what the page is made of; Pyodide's files it finds in the cache already. */
function offline(): Plugin {
  return {
    name: 'offline',
    // the workers' files are in no list of the page's own bundle
    writeBundle({ dir }) {
      const folder = dir ?? 'dist';
      const files = readdirSync(folder, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile() && entry.name !== 'offline.json')
        .map((entry) => relative(folder, join(entry.parentPath, entry.name)).replaceAll('\\', '/'))
        .filter((name) => !name.startsWith('pyodide-') && name !== 'index.html');
      writeFileSync(join(folder, 'offline.json'), JSON.stringify(['./', ...files]));
    },
  };
}

export default defineConfig({
  base: './', // any folder of any server
  plugins: [pyodide(), offline()],
  worker: { format: 'es' },
  build: { target: 'es2022', chunkSizeWarningLimit: 1000 },
});
