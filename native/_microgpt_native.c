/* Reverse-mode automatic differentiation over rows of doubles: a tape of ops, called from Python one by one.

   An op computes at once and leaves a node on the tape: what it read, what it gave, and what its derivative
   will need. backward() walks the tape from the loss to its beginning and lets each node add its share to the
   gradients of what it read. The nodes know nothing of the model that calls the ops.

   Order. Floating-point sums depend on their order, and the order to reproduce is that of a scalar graph
   which is sorted by a recursive depth-first search and walked in reverse: consumers give their gradients to
   a number in the reverse of the order in which that search finishes them. Three facts follow from the search
   going from the loss's first child down:

   - all of a position is finished before the next begins, so whatever gathers over positions (every weight;
     keys and values, which later positions read) gathers from the last position to the first;
   - inside a position the search enters every row of numbers through its first one and goes up, and reaches
     the inner nodes of an op before its results, so sums over the consumers of a row run from its last
     consumer to its first; the tape, walked in reverse, does the same from op to op: a residual's skip comes
     first, the normalization's products next, its squares last;
   - two consumers visit their rows out of turn. The cross-entropy reaches the target's logit before the
     others. Attention reaches head after head: a head's queries, then its keys, then its values (at the very
     first position, queries and keys by turns: q0 k0 q1 k1 ..). So those leave word with the node that gave
     them the rows (its `visit`), and when that is a linear it adds up its input's gradient accordingly. The
     linears of queries, keys and values read the same input and interleave: they wait in that input's list
     until the walk reaches it.

   A graph put together in another way than the fixed GPT's gets right gradients too, summed in an order of
   its own.

   Memory. Nodes lie in an array that grows, their numbers in chunks that are added when needed and merged on
   reset; sizes are checked for overflow and failing to get memory raises MemoryError. What Python holds is a
   number of a node and of the generation that made it; every reset begins a new generation. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <float.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if !defined(__GNUC__)
#error "this extension is written with GCC's vector extensions: build it with GCC or Clang"
#endif
#ifdef __FAST_MATH__
#error "fast-math changes the order and the rounding of sums: build without it"
#endif
#if FLT_EVAL_METHOD != 0
#error "this processor's floating point keeps more than a double's bits between operations"
#endif
#if PY_VERSION_HEX < 0x03090000
#error "CPython 3.9 or newer is needed"
#endif

#define ROW_PAD 8 /* numbers: the widest vector */

/* ===================================================================================== arithmetic */

/* The C library's pow and nothing else: a compiler that knows pow makes pow(x, 2) into x * x and pow(x, -1)
   into 1 / x, which differ in the last bit where pow is not correctly rounded. Python's ** calls the library. */
static double (*volatile power)(double, double) = pow;

enum { ADAM_OVERFLOW = 1, ADAM_DIVISION = 2 };

typedef struct {
    double beta1, rest1, correction1, beta2, rest2, correction2, learning_rate, eps;
} AdamStep;

#define ADAM_BLOCK 512 /* numbers that are updated together; their vectors are counted in a byte */

typedef struct {
    const char *name;
    void (*product)(double *, ptrdiff_t, size_t, size_t, size_t, const double *, ptrdiff_t, ptrdiff_t, const double *,
                    ptrdiff_t, int);
    void (*product_of_table)(double *, ptrdiff_t, size_t, size_t, size_t, const double *, ptrdiff_t,
                             const double *const *, int);
    void (*transpose)(double *, size_t, const double *, size_t, size_t, size_t);
    void (*sum_of)(double *, const double *, const double *, size_t);
    void (*relu)(double *, const double *, size_t);
    void (*relu_backward)(double *, const double *, const double *, size_t, int);
    void (*rmsnorm)(double *, const double *, size_t, size_t, size_t, double *, double *);
    void (*rmsnorm_backward)(double *, const double *, const double *, size_t, size_t, size_t, const double *,
                             const double *, int);
    void (*attention)(double *, const double *, const double *, const double *, size_t, size_t, size_t, size_t, double,
                      size_t, double *, double *, double *, double *, double *);
    void (*attention_backward)(double *, double *, double *, const double *, const double *, const double *,
                               const double *, size_t, size_t, size_t, size_t, double, size_t, const double *,
                               const double *, const double *, const double *, double *, double *);
    int (*adam)(double *, double *, double *, double *, size_t, size_t, const AdamStep *);
} Kernels;

#define KERNELS(suffix)                                                                                      \
    {#suffix, product_##suffix, product_of_table_##suffix, transpose_##suffix, sum_of_##suffix,              \
     relu_##suffix, relu_backward_##suffix, rmsnorm_##suffix, rmsnorm_backward_##suffix,                     \
     attention_##suffix, attention_backward_##suffix, adam_##suffix}

/* the widest vectors last; 2 lanes are in every processor of these families (SSE2, NEON) */
#define KERNEL(name) name##_baseline
#define TARGET
#define LANES 2
#define ABREAST 1
#define LANE_BITS(mask) (((mask)[0] & 1) | ((mask)[1] & 2))
#define ROOTS(x) ((VEC){sqrt((x)[0]), sqrt((x)[1])})
#include "kernels.h"
#undef KERNEL
#undef TARGET
#undef LANES
#undef ABREAST
#undef LANE_BITS
#undef ROOTS

#if defined(__x86_64__)
#include <immintrin.h>

#define FOUR __m256d_u
#define JOINED(low, high) _mm256_insertf128_pd(_mm256_castpd128_pd256(_mm_loadu_pd(low)), _mm_loadu_pd(high), 1)
#define FIRSTS(a, b) _mm256_unpacklo_pd(a, b)
#define SECONDS(a, b) _mm256_unpackhi_pd(a, b)

/* fused multiply-adds only where they are asked for by name: for rests, quotients and roots, in Adam */
#define KERNEL(name) name##_avx2
#define TARGET __attribute__((target("avx2,fma")))
#define LANES 4
#define ABREAST 2
#define LANE_BITS(mask) _mm256_movemask_pd((__m256d)(mask))
#define FUSED(a, b, c) ((VEC)_mm256_fmadd_pd((__m256d)(a), (__m256d)(b), (__m256d)(c)))
#define ROOTS_INVERTED(x) ((VEC)_mm256_cvtps_pd(_mm_rsqrt_ps(_mm256_cvtpd_ps((__m256d)(x)))))
#define LESSER(a, b) ((VEC)_mm256_min_pd((__m256d)(a), (__m256d)(b)))
#include "kernels.h"
#undef KERNEL
#undef TARGET
#undef LANES
#undef ABREAST
#undef LANE_BITS
#undef FUSED
#undef ROOTS_INVERTED
#undef LESSER

#define KERNEL(name) name##_avx512
#ifdef __clang__
#define TARGET __attribute__((target("avx512f,avx512dq"), min_vector_width(512)))
#else
#define TARGET __attribute__((target("avx512f,avx512dq,prefer-vector-width=512")))
#endif
#define LANES 8
#define ABREAST 4
#define FUSED(a, b, c) ((VEC)_mm512_fmadd_pd((__m512d)(a), (__m512d)(b), (__m512d)(c)))
#define ROOTS_INVERTED(x) ((VEC)_mm512_rsqrt14_pd((__m512d)(x)))
#define LESSER(a, b) ((VEC)_mm512_min_pd((__m512d)(a), (__m512d)(b)))
/* comparisons whose results stay in mask registers; a compiler takes masks that are vectors through vectors */
#define IS(x, relation, y) _mm512_cmp_pd_mask((__m512d)(x), (__m512d)(y), relation)
#define AND_IS(mask, x, relation, y) _mm512_mask_cmp_pd_mask(mask, (__m512d)(x), (__m512d)(y), relation)
#include "kernels.h"
#undef KERNEL
#undef TARGET
#undef LANES
#undef ABREAST
#undef FUSED
#undef ROOTS_INVERTED
#undef LESSER
#undef IS
#undef AND_IS
#endif

static const Kernels all_kernels[] = {
    KERNELS(baseline),
#if defined(__x86_64__)
    KERNELS(avx2),
    KERNELS(avx512),
#endif
};
static const Kernels *kernels = &all_kernels[0];

static int runs_here(const Kernels *candidate)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (strcmp(candidate->name, "avx2") == 0)
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (strcmp(candidate->name, "avx512") == 0)
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq");
#endif
    return strcmp(candidate->name, "baseline") == 0;
}

/* Whether multiplications and additions round one by one: (1 + 2**-30)**2 - (1 + 2**-29) is 0 if so, 2**-60 if not. */
static int rounds_each_operation(const Kernels *candidate)
{
    double out[ROW_PAD], a[2] = {-1.0, 1 + 0x1p-30}, b[2 * ROW_PAD];
    for (int i = 0; i < ROW_PAD; i++) {
        b[i] = 1 + 0x1p-29;
        b[ROW_PAD + i] = 1 + 0x1p-30;
    }
    candidate->product(out, ROW_PAD, 1, ROW_PAD, 2, a, 2, 1, b, ROW_PAD, 0);
    return out[0] == 0.0;
}

static size_t padded(size_t n) { return (n + ROW_PAD - 1) / ROW_PAD * ROW_PAD; }

/* ===================================================================================== what Python holds */

static PyTypeObject *matrix_type, *tensor_type, *adam_type;

/* A weight matrix and its gradient: rows of `stride` numbers of which `cols` count. */
typedef struct {
    PyObject_HEAD
    size_t rows, cols, stride;
    double *data, *grad;
    double *transposed; /* (cols, padded rows), made when a linear first needs it after a change of data */
    uint64_t version, transposed_version; /* of data: 0 is no version */
    uint64_t counted;                     /* the last count_nodes() that saw it */
    size_t gathered;                      /* how many nodes have added to grad since it was 0 */
} Matrix;

/* A node's number, good for the generation that made it. */
typedef struct {
    PyObject_HEAD
    size_t index;
    uint64_t generation;
} Tensor;

/* ===================================================================================== the tape */

typedef enum { EMBEDDING, ADD, LINEAR, RMSNORM, RELU, ATTENTION, CROSS_ENTROPY, MEAN } Op;

/* How the search reaches the rows that a node gave: in order, the target first, or head by head. */
typedef enum { IN_ORDER, TARGET_FIRST, QUERIES, KEYS, VALUES } Visit;

#define NONE SIZE_MAX

typedef struct {
    Op op;
    size_t rows, cols, stride;
    double *data, *grad;
    int has_grad;

    size_t a, b;           /* the nodes it read; NONE where it read none */
    Matrix *matrix;        /* owned */
    uint64_t version;      /* of the matrix when it was read */
    const size_t *indices; /* embedding: rows; cross-entropy: targets; attention: keys' nodes, then values'; mean: losses */
    size_t n_indices;
    size_t heads, steps;   /* attention: steps is the length of the cache */
    const double *keys, *values;
    double *saved;

    Visit visit;                 /* set by the consumer during backward */
    size_t visitor;              /* an attention's node */
    size_t waiting, next_waiting; /* linears whose consumer visits head by head wait in a list of their input */
} Node;

typedef struct Chunk {
    struct Chunk *next;
    size_t size, used; /* numbers */
    double *numbers;
} Chunk;

typedef struct {
    Node *nodes;
    size_t length, capacity;
    Chunk *chunks; /* the one in use first */
    uint64_t generation;
} Tape;

/* Without a global lock every thread records on a tape of its own; generations differ between threads. */
#ifdef Py_GIL_DISABLED
static _Thread_local Tape tape;
#else
static Tape tape;
#endif
static uint64_t last_stamp;

static uint64_t new_stamp(void) { return __atomic_add_fetch(&last_stamp, 1, __ATOMIC_RELAXED); }

static double *aligned_numbers(size_t n)
{
    void *memory = NULL;
    if (n > SIZE_MAX / sizeof(double) || posix_memalign(&memory, 64, n ? n * sizeof(double) : 64))
        return NULL;
    return memory;
}

static Chunk *new_chunk(size_t size)
{
    Chunk *chunk = malloc(sizeof *chunk);
    if (!chunk || !(chunk->numbers = aligned_numbers(size))) {
        free(chunk);
        return NULL;
    }
    chunk->next = NULL;
    chunk->size = size;
    chunk->used = 0;
    return chunk;
}

static void free_chunks(Chunk *chunk)
{
    while (chunk) {
        Chunk *next = chunk->next;
        free(chunk->numbers);
        free(chunk);
        chunk = next;
    }
}

/* rows * stride numbers that stay until reset; NULL with MemoryError set. */
static double *numbers(size_t rows, size_t stride)
{
    size_t n;
    if (__builtin_mul_overflow(rows, stride, &n) || n > SIZE_MAX / 2 / sizeof(double)) {
        PyErr_NoMemory();
        return NULL;
    }
    n = padded(n ? n : 1);
    Chunk *chunk = tape.chunks;
    if (!chunk || chunk->size - chunk->used < n) {
        size_t size = chunk ? chunk->size : 4096;
        if (size < SIZE_MAX / 4 / sizeof(double))
            size *= 2;
        if (size < n)
            size = n;
        Chunk *added = new_chunk(size);
        if (!added && size > n)
            added = new_chunk(n);
        if (!added) {
            PyErr_NoMemory();
            return NULL;
        }
        added->next = chunk;
        tape.chunks = chunk = added;
    }
    double *found = chunk->numbers + chunk->used;
    chunk->used += n;
    return found;
}

/* n sizes that stay until reset; NULL with MemoryError set. */
static size_t *sizes(size_t n)
{
    _Static_assert(sizeof(size_t) <= sizeof(double), "sizes are kept in the room of numbers");
    return (size_t *)(void *)numbers(n, 1);
}

static void forget_everything(void)
{
    for (size_t i = 0; i < tape.length; i++)
        Py_XDECREF((PyObject *)tape.nodes[i].matrix);
    tape.length = 0;
    tape.generation = new_stamp();
    if (tape.chunks && tape.chunks->next) { /* next time one chunk is enough */
        size_t total = 0;
        for (Chunk *chunk = tape.chunks; chunk; chunk = chunk->next)
            total += chunk->size;
        free_chunks(tape.chunks);
        tape.chunks = new_chunk(total); /* or NULL: then numbers() tries again and reports */
    }
    if (tape.chunks)
        tape.chunks->used = 0;
}

/* A new node at the end of the tape, not yet part of it: finish() makes it so. NULL with MemoryError set. */
static Node *begin(Op op, size_t rows, size_t cols)
{
    if (tape.length == tape.capacity) {
        size_t capacity = tape.capacity ? 2 * tape.capacity : 64;
        Node *grown = capacity > SIZE_MAX / sizeof(Node) ? NULL : realloc(tape.nodes, capacity * sizeof(Node));
        if (!grown) {
            PyErr_NoMemory();
            return NULL;
        }
        tape.nodes = grown;
        tape.capacity = capacity;
    }
    if (tape.generation == 0)
        tape.generation = new_stamp();
    Node *node = &tape.nodes[tape.length];
    memset(node, 0, sizeof *node);
    node->op = op;
    node->rows = rows;
    node->cols = cols;
    node->stride = padded(cols);
    node->a = node->b = NONE;
    if (!(node->data = numbers(rows, node->stride)) || !(node->grad = numbers(rows, node->stride)))
        return NULL;
    return node;
}

static PyObject *finish(Node *node)
{
    Tensor *tensor = PyObject_New(Tensor, tensor_type);
    if (!tensor)
        return NULL;
    tensor->index = tape.length;
    tensor->generation = tape.generation;
    Py_XINCREF((PyObject *)node->matrix);
    tape.length++;
    return (PyObject *)tensor;
}

/* ===================================================================================== reading arguments */

static int count_is(const char *op, Py_ssize_t given, Py_ssize_t expected)
{
    if (given == expected)
        return 1;
    PyErr_Format(PyExc_TypeError, "%s() takes %zd arguments, got %zd", op, expected, given);
    return 0;
}

/* The number of the node that `object` names, NONE with an exception set. */
static size_t node_of(PyObject *object)
{
    if (Py_TYPE(object) != tensor_type) {
        PyErr_Format(PyExc_TypeError, "expected what an op of this engine gave, got %R", (PyObject *)Py_TYPE(object));
        return NONE;
    }
    Tensor *tensor = (Tensor *)object;
    if (tensor->generation != tape.generation) {
        PyErr_SetString(PyExc_RuntimeError, "these activations are gone: reset() has forgotten them");
        return NONE;
    }
    return tensor->index;
}

static Matrix *matrix_of(PyObject *object)
{
    if (Py_TYPE(object) != matrix_type) {
        PyErr_Format(PyExc_TypeError, "expected a matrix of this engine, got %R", (PyObject *)Py_TYPE(object));
        return NULL;
    }
    return (Matrix *)object;
}

/* The length of a list, tuple or range, -1 with an exception set. Nothing else will do: reading one of these
   runs no foreign code, which could reset the tape under an op. */
static Py_ssize_t length_of(PyObject *object, const char *what)
{
    if (PyList_CheckExact(object) || PyTuple_CheckExact(object) || Py_TYPE(object) == &PyRange_Type)
        return PySequence_Size(object);
    PyErr_Format(PyExc_TypeError, "%s must come in a list, tuple or range, got %R", what, (PyObject *)Py_TYPE(object));
    return -1;
}

static int read_index(PyObject *item, size_t limit, const char *what, size_t *index)
{
    if (!PyLong_Check(item)) {
        PyErr_Format(PyExc_TypeError, "%s must be of type int, got %R", what, (PyObject *)Py_TYPE(item));
        return 0;
    }
    Py_ssize_t value = PyLong_AsSsize_t(item);
    if (value == -1 && PyErr_Occurred()) {
        if (!PyErr_ExceptionMatches(PyExc_OverflowError))
            return 0;
        PyErr_Clear();
    }
    if (value < 0 || (size_t)value >= limit) {
        PyErr_Format(PyExc_IndexError, "%s must be from 0 to %zd, got %S", what, (Py_ssize_t)limit - 1, item);
        return 0;
    }
    *index = (size_t)value;
    return 1;
}

/* Indices below `limit` from an int or a list, tuple or range of them; NULL with an exception set. */
static const size_t *read_indices(PyObject *object, size_t limit, const char *what, size_t *n)
{
    if (PyLong_Check(object)) {
        size_t *one = sizes(1);
        *n = 1;
        return one && read_index(object, limit, what, one) ? one : NULL;
    }
    Py_ssize_t length = length_of(object, what);
    size_t *indices = length < 0 ? NULL : sizes((size_t)length);
    for (Py_ssize_t i = 0; indices && i < length; i++) {
        PyObject *item = PySequence_GetItem(object, i);
        if (!item || !read_index(item, limit, what, &indices[i]))
            indices = NULL;
        Py_XDECREF(item);
    }
    if (indices && length == 0) {
        PyErr_Format(PyExc_ValueError, "no %s: at least one position is needed", what);
        return NULL;
    }
    *n = (size_t)length;
    return indices;
}

/* The nodes that a sequence of tensors names, in `nodes[0 .. *n-1]`; NULL with an exception set. */
static size_t *read_nodes(PyObject *object, const char *what, size_t *n)
{
    Py_ssize_t length = length_of(object, what);
    size_t *nodes = length < 0 ? NULL : sizes((size_t)length);
    for (Py_ssize_t i = 0; nodes && i < length; i++) {
        PyObject *item = PySequence_GetItem(object, i);
        if (!item || (nodes[i] = node_of(item)) == NONE)
            nodes = NULL;
        Py_XDECREF(item);
    }
    *n = (size_t)length;
    return nodes;
}

static PyObject *wrong_shapes(const char *op, const char *needs, size_t rows, size_t cols, size_t rows2, size_t cols2)
{
    return PyErr_Format(PyExc_ValueError, "%s needs %s, got (%zd, %zd) and (%zd, %zd)", op, needs, (Py_ssize_t)rows,
                        (Py_ssize_t)cols, (Py_ssize_t)rows2, (Py_ssize_t)cols2);
}

/* ===================================================================================== the ops, forward */

static PyObject *embedding(PyObject *self, PyObject *const *args, Py_ssize_t n_args)
{
    Matrix *w;
    const size_t *indices;
    size_t n;
    Node *node;
    if (!count_is("embedding", n_args, 2) || !(w = matrix_of(args[0])) ||
        !(indices = read_indices(args[1], w->rows, "indices", &n)) || !(node = begin(EMBEDDING, n, w->cols)))
        return NULL;
    for (size_t p = 0; p < n; p++)
        memcpy(node->data + p * node->stride, w->data + indices[p] * w->stride, w->stride * sizeof(double));
    node->matrix = w;
    node->version = w->version;
    node->indices = indices;
    return finish(node);
}

static PyObject *add(PyObject *self, PyObject *const *args, Py_ssize_t n_args)
{
    size_t a, b;
    if (!count_is("add", n_args, 2) || (a = node_of(args[0])) == NONE || (b = node_of(args[1])) == NONE)
        return NULL;
    size_t rows = tape.nodes[a].rows, cols = tape.nodes[a].cols;
    if (tape.nodes[b].rows != rows || tape.nodes[b].cols != cols)
        return wrong_shapes("add", "two of the same shape", rows, cols, tape.nodes[b].rows, tape.nodes[b].cols);
    Node *node = begin(ADD, rows, cols);
    if (!node)
        return NULL;
    kernels->sum_of(node->data, tape.nodes[a].data, tape.nodes[b].data, rows * node->stride);
    node->a = a;
    node->b = b;
    return finish(node);
}

/* Side by side in a vector stand the outputs, so the weights are wanted by column. */
static const double *transposed(Matrix *w)
{
    if (w->transposed_version == w->version)
        return w->transposed;
    size_t stride = padded(w->rows);
    if (!w->transposed) {
        if (stride > SIZE_MAX / 2 / sizeof(double) / w->cols || !(w->transposed = aligned_numbers(w->cols * stride))) {
            PyErr_NoMemory();
            return NULL;
        }
        memset(w->transposed, 0, w->cols * stride * sizeof(double));
    }
    kernels->transpose(w->transposed, stride, w->data, w->stride, w->rows, w->cols);
    w->transposed_version = w->version;
    return w->transposed;
}

static PyObject *linear(PyObject *self, PyObject *const *args, Py_ssize_t n_args)
{
    size_t a;
    Matrix *w;
    if (!count_is("linear", n_args, 2) || (a = node_of(args[0])) == NONE || !(w = matrix_of(args[1])))
        return NULL;
    size_t rows = tape.nodes[a].rows;
    if (tape.nodes[a].cols != w->cols)
        return wrong_shapes("linear", "x (positions, n_in) and w (n_out, n_in)", rows, tape.nodes[a].cols, w->rows,
                            w->cols);
    const double *columns = transposed(w);
    Node *node;
    if (!columns || !(node = begin(LINEAR, rows, w->rows)))
        return NULL;
    Node *x = &tape.nodes[a];
    kernels->product(node->data, node->stride, rows, node->stride, w->cols, x->data, x->stride, 1, columns,
                     node->stride, 0);
    node->a = a;
    node->matrix = w;
    node->version = w->version;
    return finish(node);
}

static PyObject *rmsnorm(PyObject *self, PyObject *const *args, Py_ssize_t n_args)
{
    size_t a;
    if (!count_is("rmsnorm", n_args, 1) || (a = node_of(args[0])) == NONE)
        return NULL;
    size_t rows = tape.nodes[a].rows, cols = tape.nodes[a].cols;
    Node *node = begin(RMSNORM, rows, cols);
    if (!node || !(node->saved = numbers(rows, 2)))
        return NULL;
    kernels->rmsnorm(node->data, tape.nodes[a].data, rows, cols, node->stride, node->saved, node->saved + rows);
    node->a = a;
    return finish(node);
}

static PyObject *relu(PyObject *self, PyObject *const *args, Py_ssize_t n_args)
{
    size_t a;
    if (!count_is("relu", n_args, 1) || (a = node_of(args[0])) == NONE)
        return NULL;
    Node *node = begin(RELU, tape.nodes[a].rows, tape.nodes[a].cols);
    if (!node)
        return NULL;
    kernels->relu(node->data, tape.nodes[a].data, node->rows * node->stride);
    node->a = a;
    return finish(node);
}

/* The rows of several nodes under each other; a single one's own rows. NULL with an exception set. */
static const double *joined(const size_t *nodes, size_t n, size_t steps, size_t cols, const char *what)
{
    size_t total = 0, stride = padded(cols);
    for (size_t i = 0; i < n; i++) {
        if (tape.nodes[nodes[i]].cols != cols) {
            PyErr_Format(PyExc_ValueError, "attention needs %s as wide as the queries: expected %zd columns, got %zd",
                         what, (Py_ssize_t)cols, (Py_ssize_t)tape.nodes[nodes[i]].cols);
            return NULL;
        }
        total += tape.nodes[nodes[i]].rows;
    }
    if (total != steps) {
        PyErr_Format(PyExc_ValueError, "attention needs as many values as keys, got %zd and %zd positions",
                     (Py_ssize_t)total, (Py_ssize_t)steps);
        return NULL;
    }
    if (n == 1)
        return tape.nodes[nodes[0]].data;
    double *all = numbers(steps, stride), *next = all;
    for (size_t i = 0; all && i < n; i++) {
        size_t size = tape.nodes[nodes[i]].rows * stride;
        memcpy(next, tape.nodes[nodes[i]].data, size * sizeof(double));
        next += size;
    }
    return all;
}

static double score_scale(size_t head_size) { return power(power((double)head_size, 0.5), -1.0); }

/* Where attention keeps what its derivative needs: e and w are (rows, heads, steps), total and inv (rows, heads). */
typedef struct {
    double *e, *w, *total, *inv;
} Scores;

static Scores scores_of(const Node *node)
{
    size_t pairs = node->rows * node->heads * node->steps, totals = node->rows * node->heads;
    return (Scores){node->saved, node->saved + pairs, node->saved + 2 * pairs, node->saved + 2 * pairs + totals};
}

static PyObject *attention(PyObject *self, PyObject *const *args, Py_ssize_t n_args)
{
    size_t a, n_keys, n_values, *key_nodes, *value_nodes, heads;
    if (!count_is("attention", n_args, 4) || (a = node_of(args[0])) == NONE ||
        !read_index(args[3], PY_SSIZE_T_MAX, "n_head", &heads) || !(key_nodes = read_nodes(args[1], "keys", &n_keys)) ||
        !(value_nodes = read_nodes(args[2], "values", &n_values)))
        return NULL;
    size_t rows = tape.nodes[a].rows, cols = tape.nodes[a].cols, steps = 0;
    if (heads == 0 || cols % heads)
        return PyErr_Format(PyExc_ValueError, "n_head %zd does not divide the %zd columns", (Py_ssize_t)heads,
                            (Py_ssize_t)cols);
    for (size_t i = 0; i < n_keys; i++)
        steps += tape.nodes[key_nodes[i]].rows;
    if (steps < rows)
        return PyErr_Format(PyExc_ValueError, "attention needs the queries' own keys in the cache: %zd queries, %zd keys",
                            (Py_ssize_t)rows, (Py_ssize_t)steps);
    const double *keys = joined(key_nodes, n_keys, steps, cols, "keys");
    const double *values = keys ? joined(value_nodes, n_values, steps, cols, "values") : NULL;
    size_t *nodes = values ? sizes(n_keys + n_values) : NULL;
    Node *node = nodes ? begin(ATTENTION, rows, cols) : NULL;
    if (!node)
        return NULL;
    memcpy(nodes, key_nodes, n_keys * sizeof *nodes);
    memcpy(nodes + n_keys, value_nodes, n_values * sizeof *nodes);
    size_t row_and_head, saved;
    if (__builtin_mul_overflow(rows, heads, &row_and_head) || __builtin_mul_overflow(row_and_head, steps + 1, &saved))
        return PyErr_NoMemory();
    double *row = numbers(1, node->stride);
    if (!row || !(node->saved = numbers(saved, 2)))
        return NULL;
    node->a = a;
    node->heads = heads;
    node->steps = steps;
    node->keys = keys;
    node->values = values;
    node->indices = nodes;
    node->n_indices = n_keys;
    node->b = n_values; /* how many of the nodes after the keys' are values' */
    Scores scores = scores_of(node);
    size_t size = cols / heads, per_row = heads * steps, stride = node->stride;
    double c = score_scale(size);
    for (size_t p = 0; p < rows; p++)
        kernels->attention(node->data + p * stride, tape.nodes[a].data + p * stride, keys, values, steps - rows + p + 1,
                           heads, size, stride, c, steps, scores.e + p * per_row, scores.w + p * per_row,
                           scores.total + p * heads, scores.inv + p * heads, row);
    return finish(node);
}

static PyObject *cross_entropy(PyObject *self, PyObject *const *args, Py_ssize_t n_args)
{
    size_t a, n;
    const size_t *targets;
    if (!count_is("cross_entropy", n_args, 2) || (a = node_of(args[0])) == NONE ||
        !(targets = read_indices(args[1], tape.nodes[a].cols, "targets", &n)))
        return NULL;
    if (n != tape.nodes[a].rows)
        return PyErr_Format(PyExc_ValueError, "cross_entropy needs a target for each position: %zd targets, %zd positions",
                            (Py_ssize_t)n, (Py_ssize_t)tape.nodes[a].rows);
    Node *node = begin(CROSS_ENTROPY, n, 1);
    if (!node)
        return NULL;
    const Node *x = &tape.nodes[a];
    /* e: (rows, stride), then total, inv and the target's probability, (rows,) each */
    if (!(node->saved = numbers(n, x->stride + 3)))
        return NULL;
    double *totals = node->saved + n * x->stride;
    for (size_t p = 0; p < n; p++) {
        const double *logits = x->data + p * x->stride;
        double *e = node->saved + p * x->stride, max = logits[0], total = 0.0;
        for (size_t i = 1; i < x->cols; i++)
            max = logits[i] > max ? logits[i] : max;
        for (size_t i = 0; i < x->cols; i++)
            total += e[i] = exp(logits[i] - max);
        double inv = power(total, -1.0), probability = e[targets[p]] * inv;
        if (probability == 0.0)
            return PyErr_Format(PyExc_ValueError,
                                "math domain error: the probability of target %zd at position %zd is 0 and has no "
                                "logarithm",
                                (Py_ssize_t)targets[p], (Py_ssize_t)p);
        totals[p] = total;
        totals[n + p] = inv;
        totals[2 * n + p] = probability;
        node->data[p * node->stride] = log(probability) * -1.0;
    }
    node->a = a;
    node->indices = targets;
    return finish(node);
}

static PyObject *mean(PyObject *self, PyObject *const *args, Py_ssize_t n_args)
{
    size_t n, *losses, count = 0;
    if (!count_is("mean", n_args, 1) || !(losses = read_nodes(args[0], "losses", &n)))
        return NULL;
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) {
        const Node *loss = &tape.nodes[losses[i]];
        if (loss->cols != 1)
            return PyErr_Format(PyExc_ValueError, "mean needs scalars, got rows of %zd", (Py_ssize_t)loss->cols);
        for (size_t p = 0; p < loss->rows; p++)
            sum += loss->data[p * loss->stride];
        count += loss->rows;
    }
    if (count == 0)
        return PyErr_Format(PyExc_ZeroDivisionError, "mean of no losses");
    Node *node = begin(MEAN, 1, 1);
    if (!node)
        return NULL;
    node->data[0] = 1.0 / (double)count * sum;
    node->indices = losses;
    node->n_indices = n;
    node->steps = count;
    return finish(node);
}

/* ===================================================================================== the ops, backward */

/* node.grad += grad; the first to come writes, which saves setting to zero what is added to later */
static void add_to(Node *node, const double *grad)
{
    size_t n = node->rows * node->stride;
    if (node->has_grad)
        kernels->sum_of(node->grad, node->grad, grad, n);
    else
        memcpy(node->grad, grad, n * sizeof(double));
    node->has_grad = 1;
}

static void zero_if_new(Node *node)
{
    if (!node->has_grad)
        memset(node->grad, 0, node->rows * node->stride * sizeof(double));
    node->has_grad = 1;
}

/* x.grad += sum over the rows o of w, from the last to the first, of w[o] * g[o] */
static void linear_backward_input(const Node *node)
{
    const Matrix *w = node->matrix;
    Node *x = &tape.nodes[node->a];
    kernels->product(x->grad, x->stride, x->rows, x->stride, w->rows, node->grad + w->rows - 1, node->stride, -1,
                     w->data + (w->rows - 1) * w->stride, -(ptrdiff_t)w->stride, x->has_grad);
    x->has_grad = 1;
}

/* The same where the search went to the target's row before the others: that row's share comes last. */
static int linear_backward_input_target_last(const Node *node)
{
    const Matrix *w = node->matrix;
    const size_t *targets = tape.nodes[node->visitor].indices;
    Node *x = &tape.nodes[node->a];
    double *kept = numbers(node->rows, 1);
    if (!kept)
        return 0;
    /* with a gradient of 0 the target's row adds nothing where it stands in the order */
    for (size_t p = 0; p < node->rows; p++) {
        kept[p] = node->grad[p * node->stride + targets[p]];
        node->grad[p * node->stride + targets[p]] = 0.0;
    }
    linear_backward_input(node);
    for (size_t p = 0; p < node->rows; p++) {
        kernels->product(x->grad + p * x->stride, x->stride, 1, x->stride, 1, kept + p, 0, 0,
                         w->data + targets[p] * w->stride, 0, 1);
        node->grad[p * node->stride + targets[p]] = kept[p];
    }
    return 1;
}

static int linear_backward(size_t index)
{
    Node *node = &tape.nodes[index], *x = &tape.nodes[node->a];
    Matrix *w = node->matrix;
    size_t last = node->rows - 1;
    w->gathered++;
    kernels->product(w->grad, w->stride, w->rows, w->stride, node->rows, node->grad + last * node->stride, 1,
                     -(ptrdiff_t)node->stride, x->data + last * x->stride, -(ptrdiff_t)x->stride, 1);
    switch (node->visit) {
    case IN_ORDER: linear_backward_input(node); return 1;
    case TARGET_FIRST: return linear_backward_input_target_last(node);
    default: /* QUERIES, KEYS, VALUES */
        node->next_waiting = x->waiting;
        x->waiting = index;
        return 1;
    }
}

/* One step of a merged sum over `count` positions: which linear's row comes next. */
static double *merge_row(const Node *linear, size_t row, size_t from, size_t count, const double **next, double *g,
                         size_t g_row)
{
    *next = linear->matrix->data + row * linear->matrix->stride;
    const double *grad = linear->grad + from * linear->stride + row;
    for (size_t p = 0; p < count; p++)
        g[p * g_row] = grad[p * linear->stride];
    return g + 1;
}

/* Adds to x.grad what the linears that wait in its list have for it: from the last head to the first, values
   before keys before queries, each from the last row to the first. With `by_turns`, keys and queries alternate. */
static int merge_linears(Node *x, const Node *queries, const Node *keys, const Node *values, size_t heads,
                         int by_turns, size_t rows)
{
    const Node *any = queries ? queries : keys ? keys : values;
    size_t cols = any->cols, size = cols / heads;
    size_t depth = cols * ((queries != NULL) + (keys != NULL) + (values != NULL));
    size_t from = by_turns ? 0 : any->rows - rows, count = by_turns ? 1 : rows;
    double *g = numbers(count, depth);
    const double **table = (const double **)(void *)numbers(depth, 1), **next = table;
    if (!g || !table)
        return 0;
    double *at = g;
    for (size_t h = heads; h-- > 0;) {
        for (size_t j = size; values && j-- > 0;)
            at = merge_row(values, h * size + j, from, count, next++, at, depth);
        for (size_t j = size; by_turns && j-- > 0;) {
            at = merge_row(keys, h * size + j, from, count, next++, at, depth);
            at = merge_row(queries, h * size + j, from, count, next++, at, depth);
        }
        for (size_t j = size; !by_turns && keys && j-- > 0;)
            at = merge_row(keys, h * size + j, from, count, next++, at, depth);
        for (size_t j = size; !by_turns && queries && j-- > 0;)
            at = merge_row(queries, h * size + j, from, count, next++, at, depth);
    }
    kernels->product_of_table(x->grad + from * x->stride, x->stride, count, x->stride, depth, g, depth, table,
                              x->has_grad);
    return 1;
}

static int settle_waiting(Node *x)
{
    while (x->waiting != NONE) {
        size_t visitor = tape.nodes[x->waiting].visitor;
        const Node *found[VALUES + 1] = {NULL};
        for (size_t *link = &x->waiting; *link != NONE;) {
            Node *linear = &tape.nodes[*link];
            if (linear->visitor == visitor && !found[linear->visit]) {
                found[linear->visit] = linear;
                *link = linear->next_waiting;
            } else
                link = &linear->next_waiting;
        }
        const Node *queries = found[QUERIES], *keys = found[KEYS], *values = found[VALUES];
        const Node *attention = &tape.nodes[visitor];
        /* the very first position has no earlier keys, so its search meets query and key by turns */
        int first = queries && keys && attention->steps == queries->rows;
        if (first && !merge_linears(x, queries, keys, values, attention->heads, 1, 1))
            return 0;
        if (x->rows > (size_t)first &&
            !merge_linears(x, queries, keys, values, attention->heads, 0, x->rows - (size_t)first))
            return 0;
        x->has_grad = 1;
    }
    return 1;
}

static void leave_word(size_t index, Visit visit, size_t visitor)
{
    tape.nodes[index].visit = visit;
    tape.nodes[index].visitor = visitor;
}

/* The nodes' gradients += rows of `grad`, up to `length` of them. */
static void add_to_rows(const size_t *nodes, const double *grad, size_t length)
{
    for (size_t done = 0; done < length;) {
        Node *node = &tape.nodes[*nodes++];
        size_t rows = node->rows < length - done ? node->rows : length - done;
        kernels->sum_of(node->grad, node->grad, grad + done * node->stride, rows * node->stride);
        done += rows;
    }
}

static int attention_backward(size_t index)
{
    Node *node = &tape.nodes[index], *q = &tape.nodes[node->a];
    size_t rows = node->rows, heads = node->heads, size = node->cols / heads, steps = node->steps;
    size_t n_keys = node->n_indices, n_values = node->b, stride = node->stride, per_row = heads * steps;
    const size_t *key_nodes = node->indices, *value_nodes = key_nodes + n_keys;
    int in_place = n_keys == 1 && n_values == 1;
    double *dw = numbers(heads, steps), *row = numbers(1, stride);
    double *dk = tape.nodes[key_nodes[0]].grad, *dv = tape.nodes[value_nodes[0]].grad;
    if (!in_place && (!(dk = numbers(steps, stride)) || !(dv = numbers(steps, stride))))
        return 0;
    if (!dw || !row)
        return 0;
    zero_if_new(q);
    leave_word(node->a, QUERIES, index);
    for (size_t i = 0; i < n_keys; i++) {
        zero_if_new(&tape.nodes[key_nodes[i]]);
        leave_word(key_nodes[i], KEYS, index);
    }
    for (size_t i = 0; i < n_values; i++) {
        zero_if_new(&tape.nodes[value_nodes[i]]);
        leave_word(value_nodes[i], VALUES, index);
    }
    Scores s = scores_of(node);
    double c = score_scale(size);
    for (size_t p = rows; p-- > 0;) {
        size_t length = steps - rows + p + 1;
        if (!in_place) {
            memset(dk, 0, length * stride * sizeof(double));
            memset(dv, 0, length * stride * sizeof(double));
        }
        kernels->attention_backward(q->grad + p * stride, dk, dv, node->grad + p * stride, q->data + p * stride,
                                    node->keys, node->values, length, heads, size, stride, c, steps, s.e + p * per_row,
                                    s.w + p * per_row, s.total + p * heads, s.inv + p * heads, dw, row);
        if (!in_place) { /* a position adds one term to each row's gradient, so going through 0 rounds nothing */
            add_to_rows(key_nodes, dk, length);
            add_to_rows(value_nodes, dv, length);
        }
    }
    return 1;
}

/* loss = -1 * log(e_target * inv): the target's e has its own share first, then, like all, the total's */
static void cross_entropy_backward(size_t index)
{
    Node *node = &tape.nodes[index], *x = &tape.nodes[node->a];
    const double *totals = node->saved + node->rows * x->stride;
    zero_if_new(x);
    leave_word(node->a, TARGET_FIRST, index);
    for (size_t p = 0; p < node->rows; p++) {
        const double *e = node->saved + p * x->stride;
        double *grad = x->grad + p * x->stride;
        size_t target = node->indices[p];
        double total = totals[p], inv = totals[node->rows + p], probability = totals[2 * node->rows + p];
        double d_probability = 1.0 / probability * (-1.0 * node->grad[p * node->stride]);
        double d_total = -power(total, -2.0) * (e[target] * d_probability);
        double target_grad = grad[target] + e[target] * (inv * d_probability + d_total);
        for (size_t i = 0; i < x->cols; i++)
            grad[i] += e[i] * d_total;
        grad[target] = target_grad;
    }
}

/* From the last position to the first, each adds to the gradient of the row that it read. */
static void embedding_backward(size_t index)
{
    Node *node = &tape.nodes[index], *linear = NULL;
    Matrix *w = node->matrix;
    if (w->gathered++ == 1) /* perhaps by the last linear of tied weights */
        for (size_t i = index + 1; i < tape.length && !linear; i++) {
            Node *other = &tape.nodes[i];
            if (other->op == LINEAR && other->matrix == w && other->rows == node->rows && other->has_grad)
                linear = other;
        }
    for (size_t p = node->rows; p-- > 0;) {
        size_t row = node->indices[p], later = node->rows - 1;
        double *grad = w->grad + row * w->stride;
        if (!linear) {
            kernels->sum_of(grad, grad, node->grad + p * node->stride, node->stride);
            continue;
        }
        while (later > p && node->indices[later] != row)
            later--;
        if (later > p) /* the row is done */
            continue;
        /* once more from 0: at each position the linear's share comes before the embedding's */
        memset(grad, 0, w->stride * sizeof(double));
        for (size_t q = node->rows; q-- > 0;) {
            const double *x = tape.nodes[linear->a].data + q * node->stride;
            double factor = linear->grad[q * linear->stride + row];
            for (size_t i = 0; i < w->cols; i++)
                grad[i] += factor * x[i];
            if (node->indices[q] == row)
                kernels->sum_of(grad, grad, node->grad + q * node->stride, node->stride);
        }
    }
}

static int node_backward(size_t index)
{
    Node *node = &tape.nodes[index];
    size_t n = node->rows * node->stride;
    switch (node->op) {
    case EMBEDDING: embedding_backward(index); return 1;
    case ADD:
        add_to(&tape.nodes[node->a], node->grad);
        add_to(&tape.nodes[node->b], node->grad);
        return 1;
    case LINEAR: return linear_backward(index);
    case RMSNORM: {
        Node *x = &tape.nodes[node->a];
        kernels->rmsnorm_backward(x->grad, x->data, node->grad, node->rows, node->cols, node->stride, node->saved,
                                  node->saved + node->rows, x->has_grad);
        x->has_grad = 1;
        return 1;
    }
    case RELU: {
        Node *x = &tape.nodes[node->a];
        kernels->relu_backward(x->grad, x->data, node->grad, n, x->has_grad);
        x->has_grad = 1;
        return 1;
    }
    case ATTENTION: return attention_backward(index);
    case CROSS_ENTROPY: cross_entropy_backward(index); return 1;
    case MEAN:
        for (size_t i = 0; i < node->n_indices; i++) {
            Node *loss = &tape.nodes[node->indices[i]];
            zero_if_new(loss);
            for (size_t p = 0; p < loss->rows; p++)
                loss->grad[p * loss->stride] += 1.0 / (double)node->steps * node->grad[0];
        }
        return 1;
    }
    return 1;
}

/* The scalar that `object` names, NULL with an exception set. */
static Node *scalar_of(PyObject *object, const char *what)
{
    size_t index = node_of(object);
    if (index == NONE)
        return NULL;
    Node *node = &tape.nodes[index];
    if (node->rows == 1 && node->cols == 1)
        return node;
    PyErr_Format(PyExc_ValueError, "%s needs a scalar, got (%zd, %zd)", what, (Py_ssize_t)node->rows,
                 (Py_ssize_t)node->cols);
    return NULL;
}

static PyObject *backward(PyObject *self, PyObject *loss)
{
    Node *node = scalar_of(loss, "backward");
    if (!node)
        return NULL;
    size_t index = (size_t)(node - tape.nodes);
    for (size_t i = 0; i <= index; i++) {
        Node *each = &tape.nodes[i];
        if (each->matrix && each->version != each->matrix->version) {
            PyErr_SetString(PyExc_RuntimeError, "the weights have changed since the ops of this graph read them");
            return NULL;
        }
        each->has_grad = 0;
        each->visit = IN_ORDER;
        each->waiting = NONE;
    }
    node->grad[0] = 1.0;
    node->has_grad = 1;
    for (size_t i = index + 1; i-- > 0;)
        if (!settle_waiting(&tape.nodes[i]) || (tape.nodes[i].has_grad && !node_backward(i)))
            return NULL;
    Py_RETURN_NONE;
}

static PyObject *reset(PyObject *self, PyObject *unused)
{
    forget_everything();
    Py_RETURN_NONE;
}

static PyObject *count_nodes(PyObject *self, PyObject *loss)
{
    Node *last = scalar_of(loss, "count_nodes");
    if (!last)
        return NULL;
    size_t index = (size_t)(last - tape.nodes), count = 0;
    char *reached = calloc(index + 1, 1);
    if (!reached)
        return PyErr_NoMemory();
    uint64_t stamp = new_stamp();
    reached[index] = 1;
    for (size_t i = index + 1; i-- > 0;) {
        const Node *node = &tape.nodes[i];
        if (!reached[i])
            continue;
        count++;
        if (node->matrix && node->matrix->counted != stamp) {
            node->matrix->counted = stamp;
            count++;
        }
        if (node->a != NONE)
            reached[node->a] = 1;
        if (node->op == ADD)
            reached[node->b] = 1;
        size_t more = node->op == ATTENTION ? node->n_indices + node->b : node->op == MEAN ? node->n_indices : 0;
        for (size_t k = 0; k < more; k++)
            reached[node->indices[k]] = 1;
    }
    free(reached);
    return PyLong_FromSize_t(count);
}

/* ===================================================================================== reading out */

static PyObject *list_of_floats(const double *from, size_t n)
{
    PyObject *list = PyList_New((Py_ssize_t)n);
    for (size_t i = 0; list && i < n; i++) {
        PyObject *value = PyFloat_FromDouble(from[i]);
        if (!value)
            Py_CLEAR(list);
        else
            PyList_SetItem(list, (Py_ssize_t)i, value);
    }
    return list;
}

static PyObject *list_of_rows(const double *from, size_t rows, size_t cols, size_t stride)
{
    PyObject *list = PyList_New((Py_ssize_t)rows);
    for (size_t i = 0; list && i < rows; i++) {
        PyObject *row = list_of_floats(from + i * stride, cols);
        if (!row)
            Py_CLEAR(list);
        else
            PyList_SetItem(list, (Py_ssize_t)i, row);
    }
    return list;
}

/* The same for numbers on the tape: making a list may collect garbage, and what that runs may reset the tape. */
static PyObject *list_of_activations(const double *from, size_t rows, size_t cols, size_t stride)
{
    double *copy = aligned_numbers(rows * stride);
    if (!copy)
        return PyErr_NoMemory();
    memcpy(copy, from, rows * stride * sizeof(double));
    PyObject *list = list_of_rows(copy, rows, cols, stride);
    free(copy);
    return list;
}

static PyObject *read_values(PyObject *self, PyObject *object)
{
    Matrix *w = matrix_of(object);
    return w ? list_of_rows(w->data, w->rows, w->cols, w->stride) : NULL;
}

static PyObject *read_gradients(PyObject *self, PyObject *object)
{
    Matrix *w = matrix_of(object);
    return w ? list_of_rows(w->grad, w->rows, w->cols, w->stride) : NULL;
}

static PyObject *probabilities(PyObject *self, PyObject *const *args, Py_ssize_t n_args)
{
    size_t a;
    if (!count_is("probabilities", n_args, 2) || (a = node_of(args[0])) == NONE)
        return NULL;
    double temperature = PyFloat_AsDouble(args[1]);
    if (temperature == -1.0 && PyErr_Occurred())
        return NULL;
    if (temperature == 0.0)
        return PyErr_Format(PyExc_ZeroDivisionError, "a temperature of 0 divides by zero: choose it above 0");
    /* float() may have run foreign code: is the node still there? */
    if ((a = node_of(args[0])) == NONE)
        return NULL;
    const Node *x = &tape.nodes[a];
    if (x->rows != 1)
        return PyErr_Format(PyExc_ValueError, "probabilities needs one position, got %zd", (Py_ssize_t)x->rows);
    size_t n = x->cols;
    double *e = aligned_numbers(n), max = 0.0, total = 0.0, per_temperature = power(temperature, -1.0);
    if (!e)
        return PyErr_NoMemory();
    for (size_t i = 0; i < n; i++) {
        e[i] = x->data[i] * per_temperature;
        max = i == 0 || e[i] > max ? e[i] : max;
    }
    for (size_t i = 0; i < n; i++)
        total += e[i] = exp(e[i] - max);
    double inv = power(total, -1.0);
    for (size_t i = 0; i < n; i++)
        e[i] *= inv;
    PyObject *list = list_of_floats(e, n);
    free(e);
    return list;
}

/* ===================================================================================== types */

static PyObject *no_constructor(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    return PyErr_Format(PyExc_TypeError, "only the engine's ops make these");
}

static PyObject *tensor_data(PyObject *self, void *closure)
{
    size_t index = node_of(self);
    if (index == NONE)
        return NULL;
    const Node *node = &tape.nodes[index];
    if (node->rows == 1 && node->cols == 1)
        return PyFloat_FromDouble(node->data[0]);
    return list_of_activations(node->data, node->rows, node->cols, node->stride);
}

static void plain_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_Free(self);
    Py_DECREF((PyObject *)type);
}

static PyGetSetDef tensor_getset[] = {
    {"data", tensor_data, NULL, "a scalar's number, else (positions, n) numbers as lists", NULL},
    {NULL},
};

static PyType_Slot tensor_slots[] = {
    {Py_tp_doc, "What an op gave: (positions, n) numbers on the tape, until reset()."},
    {Py_tp_new, no_constructor},
    {Py_tp_dealloc, plain_dealloc},
    {Py_tp_getset, tensor_getset},
    {0},
};

static void matrix_dealloc(PyObject *self)
{
    Matrix *w = (Matrix *)self;
    free(w->data);
    free(w->grad);
    free(w->transposed);
    plain_dealloc(self);
}

static PyType_Slot matrix_slots[] = {
    {Py_tp_doc, "A weight matrix (n_out, n_in) with its gradient."},
    {Py_tp_new, no_constructor},
    {Py_tp_dealloc, matrix_dealloc},
    {0},
};

/* Fills row o of the matrix, making its arrays when the first row tells the width. */
static int fill_row(Matrix *w, size_t o, PyObject *row)
{
    Py_ssize_t n = PySequence_Size(row);
    if (n < 0)
        return 0;
    if (o == 0) {
        size_t size;
        w->cols = (size_t)n;
        w->stride = padded(w->cols);
        if (n == 0) {
            PyErr_SetString(PyExc_ValueError, "a matrix needs at least one column");
            return 0;
        }
        if (__builtin_mul_overflow(w->rows, w->stride, &size) || size > SIZE_MAX / 2 / sizeof(double) ||
            !(w->data = aligned_numbers(size)) || !(w->grad = aligned_numbers(size))) {
            PyErr_NoMemory();
            return 0;
        }
        memset(w->data, 0, size * sizeof(double));
        memset(w->grad, 0, size * sizeof(double));
    }
    if ((size_t)n != w->cols) {
        PyErr_Format(PyExc_ValueError, "row %zd of the matrix has %zd numbers, the first has %zd", (Py_ssize_t)o, n,
                     (Py_ssize_t)w->cols);
        return 0;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *item = PySequence_GetItem(row, i);
        double value = item ? PyFloat_AsDouble(item) : -1.0;
        Py_XDECREF(item);
        if (value == -1.0 && PyErr_Occurred())
            return 0;
        w->data[o * w->stride + (size_t)i] = value;
    }
    return 1;
}

static PyObject *matrix(PyObject *self, PyObject *rows)
{
    Py_ssize_t n = PySequence_Size(rows);
    if (n < 0)
        return NULL;
    if (n == 0)
        return PyErr_Format(PyExc_ValueError, "a matrix needs at least one row");
    Matrix *w = PyObject_New(Matrix, matrix_type);
    if (!w)
        return NULL;
    memset((char *)w + offsetof(Matrix, rows), 0, sizeof *w - offsetof(Matrix, rows));
    w->rows = (size_t)n;
    w->version = 1;
    for (Py_ssize_t o = 0; o < n; o++) {
        PyObject *row = PySequence_GetItem(rows, o);
        if (!row || !fill_row(w, (size_t)o, row)) {
            Py_XDECREF(row);
            Py_DECREF((PyObject *)w);
            return NULL;
        }
        Py_DECREF(row);
    }
    return (PyObject *)w;
}

/* ------------------------------------------------------------------------------------- Adam */

typedef struct {
    PyObject_HEAD
    double beta1, beta2, eps;
    size_t n_matrices, total; /* total: numbers in all matrices, padding included */
    Matrix **matrices;        /* owned */
    double *first, *second;   /* the moments, matrix after matrix */
} Adam;

static size_t size_of(const Matrix *w) { return w->rows * w->stride; }

static void adam_dealloc(PyObject *self)
{
    Adam *adam = (Adam *)self;
    for (size_t i = 0; i < adam->n_matrices; i++)
        Py_DECREF((PyObject *)adam->matrices[i]);
    free(adam->matrices);
    free(adam->first);
    free(adam->second);
    plain_dealloc(self);
}

static PyObject *adam_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"matrices", "beta1", "beta2", "eps", NULL};
    PyObject *given;
    double beta1, beta2, eps;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "Oddd:Adam", names, &given, &beta1, &beta2, &eps))
        return NULL;
    PyObject *items = PySequence_Tuple(given);
    if (!items)
        return NULL;
    Adam *adam = PyObject_New(Adam, type);
    if (!adam) {
        Py_DECREF(items);
        return NULL;
    }
    memset((char *)adam + offsetof(Adam, beta1), 0, sizeof *adam - offsetof(Adam, beta1));
    adam->beta1 = beta1;
    adam->beta2 = beta2;
    adam->eps = eps;
    size_t n = (size_t)PyTuple_Size(items);
    adam->matrices = malloc((n ? n : 1) * sizeof *adam->matrices);
    for (size_t i = 0; adam->matrices && i < n; i++) {
        Matrix *w = matrix_of(PyTuple_GetItem(items, (Py_ssize_t)i));
        if (!w)
            goto failed;
        Py_INCREF((PyObject *)w);
        adam->matrices[adam->n_matrices++] = w;
        adam->total += size_of(w); /* the matrices are in memory, so their sizes add up */
    }
    if (!adam->matrices || !(adam->first = aligned_numbers(adam->total)) ||
        !(adam->second = aligned_numbers(adam->total))) {
        PyErr_NoMemory();
        goto failed;
    }
    memset(adam->first, 0, adam->total * sizeof(double));
    memset(adam->second, 0, adam->total * sizeof(double));
    Py_DECREF(items);
    return (PyObject *)adam;
failed:
    Py_DECREF(items);
    Py_DECREF((PyObject *)adam);
    return NULL;
}

static PyObject *adam_update(PyObject *self, PyObject *const *args, Py_ssize_t n_args)
{
    Adam *adam = (Adam *)self;
    if (n_args != 2 && !count_is("update", n_args, 5)) /* the trainer's options come all three or not at all */
        return NULL;
    double t = PyFloat_AsDouble(args[0]), learning_rate = PyFloat_AsDouble(args[1]), shrink = 1.0, decay = 1.0;
    if (PyErr_Occurred())
        return NULL;
    double correction1 = 1.0 - power(adam->beta1, t), correction2 = 1.0 - power(adam->beta2, t);
    if (n_args == 5) {
        if (args[2] != Py_None && !PyArg_ParseTuple(args[2], "dd", &correction1, &correction2))
            return NULL;
        shrink = PyFloat_AsDouble(args[3]);
        decay = PyFloat_AsDouble(args[4]);
        if (PyErr_Occurred())
            return NULL;
        for (size_t i = 0; i < adam->n_matrices; i++) { /* padding is 0 and stays so */
            Matrix *w = adam->matrices[i];
            for (size_t k = 0; shrink != 1.0 && k < size_of(w); k++)
                w->grad[k] *= shrink;
            for (size_t k = 0; decay != 1.0 && k < size_of(w); k++)
                w->data[k] *= decay;
        }
    }
    AdamStep step = {adam->beta1, 1.0 - adam->beta1, correction1,   adam->beta2,
                     1.0 - adam->beta2, correction2, learning_rate, adam->eps};
    int trouble = correction1 == 0.0 || correction2 == 0.0 ? ADAM_DIVISION : 0;
    double *first = adam->first, *second = adam->second;
    for (size_t i = 0; i < adam->n_matrices && !trouble; i++) {
        Matrix *w = adam->matrices[i];
        w->version = new_stamp();
        w->gathered = 0;
        if (w->cols == w->stride)
            trouble = kernels->adam(w->data, w->grad, first, second, size_of(w), size_of(w), &step);
        else
            for (size_t o = 0; o < w->rows && !trouble; o++) {
                size_t at = o * w->stride;
                trouble = kernels->adam(w->data + at, w->grad + at, first + at, second + at, w->stride, w->cols, &step);
            }
        first += size_of(w);
        second += size_of(w);
    }
    if (trouble == ADAM_OVERFLOW)
        return PyErr_Format(PyExc_OverflowError, "the square of a gradient is too large for a float");
    if (trouble == ADAM_DIVISION)
        return PyErr_Format(PyExc_ZeroDivisionError, "Adam divides by zero: choose eps above 0 and betas below 1");
    Py_RETURN_NONE;
}

/* Numbers of every parameter, matrix after matrix, into rows of their own stride; `from` has `total` of them at least. */
static const double *spread(const Matrix *w, double *to, const double *from)
{
    for (size_t o = 0; o < w->rows; o++, to += w->stride, from += w->cols)
        memcpy(to, from, w->cols * sizeof(double));
    return from;
}

static PyObject *adam_load(PyObject *self, PyObject *const *args, Py_ssize_t n_args)
{
    Adam *adam = (Adam *)self;
    if (!count_is("load", n_args, 4))
        return NULL;
    size_t parameters = 0;
    for (size_t i = 0; i < adam->n_matrices; i++)
        parameters += adam->matrices[i]->rows * adam->matrices[i]->cols;
    PyObject *bytes[3] = {NULL, NULL, NULL}, *done = NULL; /* weights, first and second moments: arrays of doubles */
    for (int kind = 0; kind < 3; kind++) {
        bytes[kind] = PyObject_CallMethod(args[kind], "tobytes", NULL);
        if (!bytes[kind])
            goto end;
        if (!PyBytes_Check(bytes[kind]) || (size_t)PyBytes_Size(bytes[kind]) != parameters * sizeof(double)) {
            PyErr_Format(PyExc_ValueError, "load() takes three arrays of %zu doubles", parameters);
            goto end;
        }
    }
    const double *weights = (const double *)PyBytes_AsString(bytes[0]);
    const double *m = (const double *)PyBytes_AsString(bytes[1]), *v = (const double *)PyBytes_AsString(bytes[2]);
    double *first = adam->first, *second = adam->second;
    for (size_t i = 0; i < adam->n_matrices; i++) {
        Matrix *w = adam->matrices[i];
        weights = spread(w, w->data, weights);
        m = spread(w, first, m);
        v = spread(w, second, v);
        memset(w->grad, 0, size_of(w) * sizeof(double));
        w->gathered = 0;
        w->version = new_stamp();
        first += size_of(w);
        second += size_of(w);
    }
    done = Py_None;
    Py_INCREF(done);
end:
    for (int kind = 0; kind < 3; kind++)
        Py_XDECREF(bytes[kind]);
    return done;
}

static PyObject *adam_snapshot(PyObject *self, PyObject *unused)
{
    Adam *adam = (Adam *)self;
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(3 * adam->total * sizeof(double)));
    if (!bytes)
        return NULL;
    char *to = PyBytes_AsString(bytes);
    for (size_t i = 0; i < adam->n_matrices; i++) {
        size_t size = size_of(adam->matrices[i]) * sizeof(double);
        memcpy(to, adam->matrices[i]->data, size);
        to += size;
    }
    memcpy(to, adam->first, adam->total * sizeof(double));
    memcpy(to + adam->total * sizeof(double), adam->second, adam->total * sizeof(double));
    return bytes;
}

static PyObject *adam_restore(PyObject *self, PyObject *bytes)
{
    Adam *adam = (Adam *)self;
    if (!PyBytes_Check(bytes) || (size_t)PyBytes_Size(bytes) != 3 * adam->total * sizeof(double))
        return PyErr_Format(PyExc_ValueError, "restore() takes what snapshot() of this optimizer gave");
    const char *from = PyBytes_AsString(bytes);
    for (size_t i = 0; i < adam->n_matrices; i++) {
        Matrix *w = adam->matrices[i];
        size_t size = size_of(w) * sizeof(double);
        memcpy(w->data, from, size);
        memset(w->grad, 0, size);
        w->gathered = 0;
        w->version = new_stamp();
        from += size;
    }
    memcpy(adam->first, from, adam->total * sizeof(double));
    memcpy(adam->second, from + adam->total * sizeof(double), adam->total * sizeof(double));
    Py_RETURN_NONE;
}

#define FAST(function) (PyCFunction)(void (*)(void))(function), METH_FASTCALL

static PyMethodDef adam_methods[] = {
    {"update", FAST(adam_update), "update(t, learning_rate[, corrections, shrink, decay]): one update; t counts from 1; gradients go to 0"},
    {"load", FAST(adam_load), "load(weights, m, v, t): the state after t updates, arrays of doubles; gradients go to 0"},
    {"snapshot", adam_snapshot, METH_NOARGS, "everything an update changes, as bytes"},
    {"restore", adam_restore, METH_O, "go back to a snapshot; gradients go to 0"},
    {NULL},
};

static PyType_Slot adam_slots[] = {
    {Py_tp_doc, "Adam(matrices, beta1, beta2, eps), in the reference's order of operations."},
    {Py_tp_new, adam_new},
    {Py_tp_dealloc, adam_dealloc},
    {Py_tp_methods, adam_methods},
    {0},
};

/* ===================================================================================== the module */

static PyObject *use_kernels(PyObject *self, PyObject *name)
{
    for (size_t i = 0; i < sizeof all_kernels / sizeof *all_kernels; i++) {
        PyObject *candidate = PyUnicode_FromString(all_kernels[i].name);
        int same = candidate ? PyObject_RichCompareBool(candidate, name, Py_EQ) : -1;
        Py_XDECREF(candidate);
        if (same < 0)
            return NULL;
        if (same && runs_here(&all_kernels[i])) {
            kernels = &all_kernels[i];
            Py_RETURN_NONE;
        }
    }
    return PyErr_Format(PyExc_ValueError, "no kernels %R on this processor", name);
}

static PyObject *list_kernels(PyObject *self, PyObject *unused)
{
    PyObject *names = PyList_New(0);
    for (size_t i = 0; names && i < sizeof all_kernels / sizeof *all_kernels; i++) {
        if (!runs_here(&all_kernels[i]))
            continue;
        PyObject *name = PyUnicode_FromString(all_kernels[i].name);
        if (!name || PyList_Append(names, name))
            Py_CLEAR(names);
        Py_XDECREF(name);
    }
    return names;
}

static PyMethodDef methods[] = {
    {"matrix", matrix, METH_O, "matrix(rows): a weight matrix from (n_out, n_in) numbers"},
    {"embedding", FAST(embedding), "embedding(w, indices): rows of w"},
    {"add", FAST(add), "add(a, b): elementwise sum of two of the same shape"},
    {"linear", FAST(linear), "linear(x, w): matrix times each row of x"},
    {"rmsnorm", FAST(rmsnorm), "rmsnorm(x): x / sqrt(mean(x*x) + 1e-5), row by row"},
    {"relu", FAST(relu), "relu(x): elementwise max(0, x)"},
    {"attention", FAST(attention), "attention(q, keys, values, n_head): causal, over the cache's parts in order"},
    {"cross_entropy", FAST(cross_entropy), "cross_entropy(logits, targets): -log softmax(logits)[target], row by row"},
    {"mean", FAST(mean), "mean(losses): of all positions of all losses"},
    {"probabilities", FAST(probabilities), "probabilities(logits, temperature): one position's softmax as floats"},
    {"backward", backward, METH_O, "backward(loss): add d loss / d weight to every matrix's gradient"},
    {"reset", reset, METH_NOARGS, "reset(): forget all activations; using one later raises RuntimeError"},
    {"count_nodes", count_nodes, METH_O, "count_nodes(loss): ops and matrices that backward(loss) visits"},
    {"read_values", read_values, METH_O, "read_values(w): (n_out, n_in) floats"},
    {"read_gradients", read_gradients, METH_O, "read_gradients(w): (n_out, n_in) floats"},
    {"list_kernels", list_kernels, METH_NOARGS, "list_kernels(): vector widths this processor has, widest last"},
    {"use_kernels", use_kernels, METH_O, "use_kernels(name): choose one; the results are the same"},
    {NULL},
};

static PyModuleDef module_definition = {
    PyModuleDef_HEAD_INIT, "_microgpt_native", "Tape-based autograd over rows of doubles; see engines/native.py.", -1,
    methods,
};

static PyTypeObject *make_type(const char *name, size_t size, PyType_Slot *slots)
{
    unsigned int flags = Py_TPFLAGS_DEFAULT;
#ifdef Py_TPFLAGS_IMMUTABLETYPE
    flags |= Py_TPFLAGS_IMMUTABLETYPE;
#endif
    PyType_Spec spec = {name, (int)size, 0, flags, slots};
    return (PyTypeObject *)PyType_FromSpec(&spec);
}

PyMODINIT_FUNC PyInit__microgpt_native(void)
{
    for (size_t i = 0; i < sizeof all_kernels / sizeof *all_kernels; i++)
        if (runs_here(&all_kernels[i])) {
            if (!rounds_each_operation(&all_kernels[i]))
                return PyErr_Format(PyExc_ImportError, "built with contraction of a * b + c: rebuild with "
                                                       "-ffp-contract=off");
            kernels = &all_kernels[i];
        }
    if (!matrix_type && !(matrix_type = make_type("_microgpt_native.Matrix", sizeof(Matrix), matrix_slots)))
        return NULL;
    if (!tensor_type && !(tensor_type = make_type("_microgpt_native.Tensor", sizeof(Tensor), tensor_slots)))
        return NULL;
    if (!adam_type && !(adam_type = make_type("_microgpt_native.Adam", sizeof(Adam), adam_slots)))
        return NULL;
    PyObject *module = PyModule_Create(&module_definition);
    if (!module)
        return NULL;
#ifdef Py_GIL_DISABLED
    PyUnstable_Module_SetGIL(module, Py_MOD_GIL_NOT_USED);
#endif
    Py_INCREF((PyObject *)adam_type);
    if (PyModule_AddObject(module, "Adam", (PyObject *)adam_type) < 0) {
        Py_DECREF((PyObject *)adam_type);
        Py_DECREF(module);
        return NULL;
    }
    return module;
}
