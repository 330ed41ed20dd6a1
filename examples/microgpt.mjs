// microgpt.py's model and trainer in JavaScript, as an example of a port to time beside the engines: `microgpt-bench peers`.
// Runs on Node, Bun and Deno:  node examples/microgpt.mjs DOCUMENTS STEPS [polar|trigonometric] [SEED] [SAMPLES]
// and in a browser, where the playground lets it race:  microgpt(text, { seed: 42 }).step()
// Its random numbers are mulberry32's, as in the ports that people pass around; losses are printed to four digits.

// ---------------------------------------------------------------- autograd

class Value {
  constructor(data, children = [], local = []) {
    this.data = data;
    this.grad = 0;
    this.children = children;
    this.local = local; // d this / d child
    this.visited = false;
  }
  add(other) {
    return new Value(this.data + other.data, [this, other], [1, 1]);
  }
  mul(other) {
    return new Value(this.data * other.data, [this, other], [other.data, this.data]);
  }
  times(number) {
    return new Value(this.data * number, [this], [number]);
  }
  pow(power) {
    return new Value(this.data ** power, [this], [power * this.data ** (power - 1)]);
  }
  exp() {
    const e = Math.exp(this.data);
    return new Value(e, [this], [e]);
  }
  log() {
    return new Value(Math.log(this.data), [this], [1 / this.data]);
  }
  relu() {
    return new Value(Math.max(0, this.data), [this], [this.data > 0 ? 1 : 0]);
  }
  backward() {
    const order = [];
    const visit = (node) => {
      if (node.visited) return;
      node.visited = true;
      for (const child of node.children) visit(child);
      order.push(node);
    };
    visit(this);
    this.grad = 1;
    for (const node of order.reverse()) {
      node.visited = false;
      for (let i = 0; i < node.children.length; i++) node.children[i].grad += node.local[i] * node.grad;
    }
  }
}

const sum = (values) => values.reduce((total, value) => total.add(value), new Value(0));

// ---------------------------------------------------------------- the model's parts

const nEmbd = 16, blockSize = 16, nHead = 4, size = nEmbd / nHead;

const linear = (x, rows) => rows.map((row) => sum(row.map((wi, i) => wi.mul(x[i]))));
const softmax = (logits) => {
  const top = Math.max(...logits.map((logit) => logit.data));
  const exps = logits.map((logit) => logit.add(new Value(-top)).exp());
  const inverse = sum(exps).pow(-1);
  return exps.map((e) => e.mul(inverse));
};
const rmsnorm = (x) => {
  const scale = sum(x.map((xi) => xi.mul(xi))).times(1 / x.length).add(new Value(1e-5)).pow(-0.5);
  return x.map((xi) => xi.mul(scale));
};
const add = (a, b) => a.map((ai, i) => ai.add(b[i]));

// ---------------------------------------------------------------- one training run

export function microgpt(text, { gaussian = 'polar', seed = 42, schedule = 1000 } = {}) {
  // ---------------------------------------------------------------- random numbers

  let state = seed;
  const random = () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };

  let spare = null;
  const normal = () => {
    if (gaussian === 'trigonometric') {
      let u = 0;
      while (u === 0) u = random();
      return Math.sqrt(-2 * Math.log(u)) * Math.cos(2 * Math.PI * random());
    }
    if (spare !== null) {
      const kept = spare;
      spare = null;
      return kept;
    }
    let u, v, square;
    do {
      u = 2 * random() - 1;
      v = 2 * random() - 1;
      square = u * u + v * v;
    } while (square === 0 || square >= 1);
    const scale = Math.sqrt((-2 * Math.log(square)) / square);
    spare = v * scale;
    return u * scale;
  };

  // ---------------------------------------------------------------- documents and weights

  const documents = text.trim().split('\n').map((line) => line.trim()).filter(Boolean);
  for (let i = documents.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [documents[i], documents[j]] = [documents[j], documents[i]];
  }
  const characters = [...new Set(documents.join(''))].sort();
  const bos = characters.length;
  const tokenOf = new Map(characters.map((character, token) => [character, token]));

  const matrix = (nOut, nIn) =>
    Array.from({ length: nOut }, () => Array.from({ length: nIn }, () => new Value(0.08 * normal())));
  const w = { wte: matrix(bos + 1, nEmbd), wpe: matrix(blockSize, nEmbd), head: matrix(bos + 1, nEmbd) };
  for (const name of ['wq', 'wk', 'wv', 'wo']) w[name] = matrix(nEmbd, nEmbd);
  w.fc1 = matrix(4 * nEmbd, nEmbd);
  w.fc2 = matrix(nEmbd, 4 * nEmbd);
  const parameters = Object.values(w).flat(2);

  // ---------------------------------------------------------------- the model

  const gpt = (token, position, keys, values) => {
    let x = rmsnorm(add(w.wte[token], w.wpe[position]));
    let residual = x;
    x = rmsnorm(x);
    const q = linear(x, w.wq);
    keys.push(linear(x, w.wk));
    values.push(linear(x, w.wv));
    const heads = [];
    for (let start = 0; start < nEmbd; start += size) {
      const part = (vector) => vector.slice(start, start + size);
      const scores = keys.map((k) => sum(part(q).map((qi, i) => qi.mul(part(k)[i]))).times(1 / Math.sqrt(size)));
      const weights = softmax(scores);
      for (let i = start; i < start + size; i++) heads.push(sum(weights.map((weight, t) => weight.mul(values[t][i]))));
    }
    x = add(linear(heads, w.wo), residual);
    residual = x;
    x = linear(linear(rmsnorm(x), w.fc1).map((xi) => xi.relu()), w.fc2);
    return linear(add(x, residual), w.head);
  };

  // ---------------------------------------------------------------- training

  const beta1 = 0.85, beta2 = 0.99;
  const m = new Float64Array(parameters.length), v = new Float64Array(parameters.length);
  let done = 0;
  const step = () => {
    const tokens = [bos, ...[...documents[done % documents.length]].map((c) => tokenOf.get(c)), bos];
    const n = Math.min(blockSize, tokens.length - 1);
    const keys = [], values = [], losses = [];
    for (let position = 0; position < n; position++)
      losses.push(softmax(gpt(tokens[position], position, keys, values))[tokens[position + 1]].log().times(-1));
    const loss = sum(losses).times(1 / n);
    loss.backward();
    const rate = 0.01 * (1 - done / schedule);
    done += 1;
    const correction1 = 1 - beta1 ** done, correction2 = 1 - beta2 ** done;
    parameters.forEach((p, i) => {
      m[i] = beta1 * m[i] + (1 - beta1) * p.grad;
      v[i] = beta2 * v[i] + (1 - beta2) * p.grad ** 2;
      p.data -= (rate * (m[i] / correction1)) / (Math.sqrt(v[i] / correction2) + 1e-8);
      p.grad = 0;
    });
    return loss.data;
  };

  // ---------------------------------------------------------------- samples

  const choice = (weights) => {
    let left = random() * weights.reduce((total, weight) => total + weight, 0);
    for (let i = 0; i < weights.length; i++) {
      left -= weights[i];
      if (left <= 0) return i;
    }
    return weights.length - 1;
  };

  const temperature = 0.5;
  const sample = () => {
    const keys = [], values = [];
    let token = bos, drawn = '';
    for (let position = 0; position < blockSize; position++) {
      const logits = gpt(token, position, keys, values).map((logit) => logit.times(1 / temperature));
      token = choice(softmax(logits).map((p) => p.data));
      if (token === bos) break;
      drawn += characters[token];
    }
    return drawn;
  };

  return { step, sample };
}

// ---------------------------------------------------------------- as a program

if (globalThis.process?.argv?.[1]?.endsWith('microgpt.mjs')) {
  const { readFileSync } = await import(/* @vite-ignore */ 'node:fs');
  const [path, steps = '1000', gaussian = 'polar', seed = '42', samples = '0'] = process.argv.slice(2);
  const run = microgpt(readFileSync(path, 'utf8'), { gaussian, seed: Number(seed) });
  for (let step = 1; step <= Number(steps); step++)
    console.log(`step ${String(step).padStart(4)} / ${steps} | loss ${run.step().toFixed(4)}`);
  for (let sample = 1; sample <= Number(samples); sample++)
    console.log(`sample ${String(sample).padStart(2)}: ${run.sample()}`);
}
