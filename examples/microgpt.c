// microgpt.py's model and trainer in C, as an example of a port that draws no random numbers: it reads a start file.
//   cc -O3 -o microgpt examples/microgpt.c -lm      (also as C++: c++ -O3 -x c++ ...)
//   microgpt-bench train --engine vector --steps 1 --export-start start.txt
//   ./microgpt start.txt 1000 [weights.json]
// Characters are bytes. Losses are printed to six digits; the final weights are written as JSON, as docs/peers.md says.

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void fail(const char *why) {
  fprintf(stderr, "microgpt: %s\n", why);
  exit(1);
}

static void *grown(void *old, size_t bytes) {
  void *memory = realloc(old, bytes);
  if (!memory) fail("out of memory");
  return memory;
}

// ---------------------------------------------------------------- autograd: a tape, the parameters at its beginning

typedef struct {
  double data, grad, da, db;  // da, db: d this / d its children a and b
  int a, b;
} Node;

static Node *tape;
static int used, room;

static int node(double data, int a, double da, int b, double db) {
  if (used == room) tape = (Node *)grown(tape, (room = 2 * room + 1024) * sizeof(Node));
  Node made = {data, 0, da, db, a, b};
  tape[used] = made;
  return used++;
}

static double val(int i) { return tape[i].data; }
static int leaf(double data) { return node(data, 0, 0, 0, 0); }
static int add(int a, int b) { return node(val(a) + val(b), a, 1, b, 1); }
static int mul(int a, int b) { return node(val(a) * val(b), a, val(b), b, val(a)); }
static int times(int a, double k) { return node(val(a) * k, a, k, a, 0); }
static int power(int a, double p) { return node(pow(val(a), p), a, p * pow(val(a), p - 1), a, 0); }
static int exponential(int a) { double e = exp(val(a)); return node(e, a, e, a, 0); }
static int logarithm(int a) { return node(log(val(a)), a, 1 / val(a), a, 0); }
static int relu(int a) { return node(val(a) > 0 ? val(a) : 0, a, val(a) > 0, a, 0); }

static void backward(int loss, int parameters) {
  tape[loss].grad = 1;
  for (int i = loss; i >= parameters; i--) {  // children stand before their parents
    tape[tape[i].a].grad += tape[i].da * tape[i].grad;
    tape[tape[i].b].grad += tape[i].db * tape[i].grad;
  }
}

// ---------------------------------------------------------------- the start file

typedef struct {
  char name[64];
  int first, rows, columns;  // first: of its parameters on the tape
} Matrix;

static int n_layer, n_embd, block_size, n_head, n_documents, n_characters, n_matrices;
static char characters[256], **documents;
static Matrix matrices[256];

static char *line(FILE *file) {
  static char *text;
  static size_t size;
  ssize_t length = getline(&text, &size, file);
  if (length < 0) return NULL;
  if (length && text[length - 1] == '\n') text[length - 1] = 0;
  return text;
}

static int count(FILE *file, const char *name) {
  int value;
  char read[64], *text = line(file);
  if (!text || sscanf(text, "%63s %d", read, &value) != 2 || strcmp(read, name) || value < 1) fail(name);
  return value;
}

static void read_start(const char *path) {
  FILE *file = fopen(path, "r");
  char *text = file ? line(file) : NULL;
  if (!text || strcmp(text, "microgpt-bench start 1")) fail("no start file");
  n_layer = count(file, "n_layer"), n_embd = count(file, "n_embd");
  block_size = count(file, "block_size"), n_head = count(file, "n_head");
  if (!(text = line(file)) || strncmp(text, "characters ", 11) || strlen(text + 11) > 255) fail("characters");
  n_characters = strlen(strcpy(characters, text + 11));
  documents = (char **)grown(NULL, (n_documents = count(file, "documents")) * sizeof(char *));
  for (int i = 0; i < n_documents; i++) documents[i] = (text = line(file)) ? strdup(text) : (fail("documents"), text);
  Matrix m;
  while (n_matrices < 256 && (text = line(file)) && sscanf(text, "%63s %d %d", m.name, &m.rows, &m.columns) == 3) {
    m.first = used;
    for (int row = 0; row < m.rows; row++) {
      char *at = line(file);
      for (int i = 0; i < m.columns; i++) leaf(at ? strtod(at, &at) : (fail(m.name), 0));
    }
    matrices[n_matrices++] = m;
  }
  fclose(file);
}

static Matrix *matrix(int layer, const char *part) {
  char name[64];
  if (layer < 0) snprintf(name, sizeof name, "%s", part);
  else snprintf(name, sizeof name, "layer%d.%s", layer, part);
  for (int i = 0; i < n_matrices; i++)
    if (!strcmp(matrices[i].name, name)) return &matrices[i];
  fail(name);
  return NULL;
}

// ---------------------------------------------------------------- the model: vectors are arrays of places on the tape

static int *vectors, taken;  // of one step, one after the other

static int *vector(int n) {
  taken += n;
  return vectors + taken - n;
}

static int *linear(const int *x, const Matrix *w) {
  int *out = vector(w->rows);
  for (int row = 0; row < w->rows; row++) {
    int total = mul(w->first + row * w->columns, x[0]);
    for (int i = 1; i < w->columns; i++) total = add(total, mul(w->first + row * w->columns + i, x[i]));
    out[row] = total;
  }
  return out;
}

static int *rmsnorm(const int *x) {
  int *out = vector(n_embd), total = mul(x[0], x[0]);
  for (int i = 1; i < n_embd; i++) total = add(total, mul(x[i], x[i]));
  int scale = power(add(times(total, 1.0 / n_embd), leaf(1e-5)), -0.5);
  for (int i = 0; i < n_embd; i++) out[i] = mul(x[i], scale);
  return out;
}

static int *softmax(const int *x, int n) {
  int *out = vector(n), top = leaf(-val(x[0])), total = 0;
  for (int i = 1; i < n; i++)
    if (-val(x[i]) < val(top)) tape[top].data = -val(x[i]);
  for (int i = 0; i < n; i++) out[i] = exponential(add(x[i], top));
  total = out[0];
  for (int i = 1; i < n; i++) total = add(total, out[i]);
  int inverse = power(total, -1);
  for (int i = 0; i < n; i++) out[i] = mul(out[i], inverse);
  return out;
}

static int *sums(const int *a, const int *b, int n) {
  int *out = vector(n);
  for (int i = 0; i < n; i++) out[i] = add(a[i], b[i]);
  return out;
}

static int *attention(const int *q, int **keys, int **values, int positions) {
  int *out = vector(n_embd), size = n_embd / n_head;
  for (int start = 0; start < n_embd; start += size) {
    int *scores = vector(positions);
    for (int t = 0; t < positions; t++) {
      int total = mul(q[start], keys[t][start]);
      for (int i = start + 1; i < start + size; i++) total = add(total, mul(q[i], keys[t][i]));
      scores[t] = times(total, 1 / sqrt(size));
    }
    int *weights = softmax(scores, positions);
    for (int i = start; i < start + size; i++) {
      out[i] = mul(weights[0], values[0][i]);
      for (int t = 1; t < positions; t++) out[i] = add(out[i], mul(weights[t], values[t][i]));
    }
  }
  return out;
}

static int *gpt(int token, int position, int **keys, int **values) {
  int *embedding = vector(n_embd), *place = vector(n_embd), *x;
  for (int i = 0; i < n_embd; i++) {
    embedding[i] = matrix(-1, "wte")->first + token * n_embd + i;
    place[i] = matrix(-1, "wpe")->first + position * n_embd + i;
  }
  x = rmsnorm(sums(embedding, place, n_embd));
  for (int layer = 0; layer < n_layer; layer++) {
    int **k = keys + layer * block_size, **v = values + layer * block_size, *normed = rmsnorm(x);
    k[position] = linear(normed, matrix(layer, "wk")), v[position] = linear(normed, matrix(layer, "wv"));
    int *seen = attention(linear(normed, matrix(layer, "wq")), k, v, position + 1);
    x = sums(linear(seen, matrix(layer, "wo")), x, n_embd);
    int *hidden = linear(rmsnorm(x), matrix(layer, "fc1"));
    for (int i = 0; i < 4 * n_embd; i++) hidden[i] = relu(hidden[i]);
    x = sums(linear(hidden, matrix(layer, "fc2")), x, n_embd);
  }
  return linear(x, matrix(-1, "lm_head"));
}

static int token_at(const char *document, int position) {  // the one after the last character begins and ends it
  if (!position || position > (int)strlen(document)) return n_characters;
  return (int)(strchr(characters, document[position - 1]) - characters);
}

// ---------------------------------------------------------------- training

static void write_weights(const char *path) {
  FILE *file = fopen(path, "w");
  if (!file) fail("cannot write the weights");
  for (int m = 0; m < n_matrices; m++) {
    fprintf(file, "%s\"%s\": [", m ? ", " : "{", matrices[m].name);
    for (int i = 0; i < matrices[m].rows * matrices[m].columns; i++)
      fprintf(file, "%s%.17g", i % matrices[m].columns ? ", " : i ? "], [" : "[", val(matrices[m].first + i));
    fprintf(file, "]]");
  }
  fprintf(file, "}\n");
  fclose(file);
}

int main(int argc, char **argv) {
  if (argc < 3) fail("give START STEPS [WEIGHTS.json]");
  read_start(argv[1]);
  int steps = atoi(argv[2]), parameters = used;
  double *m = (double *)calloc(parameters, sizeof(double)), *v = (double *)calloc(parameters, sizeof(double));
  int **keys = (int **)calloc(2 * n_layer * block_size, sizeof(int *)), **values = keys + n_layer * block_size;
  size_t each = (size_t)n_layer * (n_head * 2 * block_size + 20 * n_embd) + 8 * n_embd + 3 * (n_characters + 1);
  vectors = (int *)grown(NULL, (each * block_size + block_size) * sizeof(int));
  for (int step = 1; step <= steps; step++) {
    const char *document = documents[(step - 1) % n_documents];
    int n = (int)strlen(document) + 1 < block_size ? (int)strlen(document) + 1 : block_size, total = 0;
    used = parameters, taken = 0;
    for (int position = 0; position < n; position++) {
      int *logits = gpt(token_at(document, position), position, keys, values);
      int loss = times(logarithm(softmax(logits, n_characters + 1)[token_at(document, position + 1)]), -1);
      total = position ? add(total, loss) : loss;
    }
    int loss = times(total, 1.0 / n);
    backward(loss, parameters);
    printf("step %4d / %4d | loss %.6f\n", step, steps, val(loss));
    double rate = step <= 1000 ? 0.01 * (1 - (step - 1) / 1000.0) : 0;
    for (int i = 0; i < parameters; i++) {
      double grad = tape[i].grad;
      m[i] = 0.85 * m[i] + (1 - 0.85) * grad;
      v[i] = 0.99 * v[i] + (1 - 0.99) * grad * grad;
      tape[i].data -= rate * (m[i] / (1 - pow(0.85, step))) / (sqrt(v[i] / (1 - pow(0.99, step))) + 1e-8);
      tape[i].grad = 0;
    }
  }
  if (argc > 3) write_weights(argv[3]);
  return 0;
}
