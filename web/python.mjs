#!/usr/bin/env node
// Pyodide under Node as an interpreter that the benchmark can time, with this machine's files: python.mjs -c CODE …
// It takes what CPython's own command line takes. The npm package pyodide is looked for here and where NODE_PATH says.
import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

let home;
try {
  home = dirname(createRequire(import.meta.url).resolve('pyodide/package.json'));
} catch {
  console.error('the npm package pyodide is missing: npm ci in the folder web, or npm install pyodide and NODE_PATH');
  process.exit(1);
}
if (process.argv[2] === '--where') {
  console.log(home); // asked for before it is measured
  process.exit();
}
const { loadPyodide } = await import(join(home, 'pyodide.mjs'));
const own = ['dev', 'lib', 'lib64', 'proc', 'sys']; // Pyodide has these itself, or no use for them
const folders = readdirSync('/', { withFileTypes: true }).filter((entry) => entry.isDirectory() && !own.includes(entry.name));
const pyodide = await loadPyodide({
  args: process.argv.slice(2),
  env: { HOME: '/tmp', ...process.env },
  fsInit: async (fs) => {
    for (const { name } of folders) {
      fs.mkdirTree(`/${name}`);
      fs.mount(fs.filesystems.NODEFS, { root: `/${name}` }, `/${name}`);
    }
    fs.chdir(process.cwd());
  },
});
pyodide.setStdin();
pyodide.setStdout();
pyodide.setStderr();
process.exit(pyodide._module._run_main());
