// MicroPython, compiled to WebAssembly, runs micropython.py: node micropython.mjs START STEPS
// Install it here first: npm install --no-save --prefix . @micropython/micropython-webassembly-pyscript
import fs from "node:fs";

const [start, steps] = process.argv.slice(2);
const { loadMicroPython } = await import("@micropython/micropython-webassembly-pyscript/micropython.mjs").catch(() => {
  console.error("MicroPython is missing: npm install --no-save --prefix examples @micropython/micropython-webassembly-pyscript");
  process.exit(2);
});
const micropython = await loadMicroPython({
  heapsize: 256 * 2 ** 20,
  linebuffer: true,
  stdout: (line) => fs.writeSync(1, `${line}\n`),
});
micropython.FS.writeFile("/start", fs.readFileSync(start, "utf8"));
micropython.runPython(`import sys\nsys.argv[:] = ["micropython.py", "/start", "${Number(steps)}"]`);
micropython.runPython(fs.readFileSync(new URL("micropython.py", import.meta.url), "utf8"));
