/* The arithmetic, written once and compiled once per vector width.

   The including file defines KERNEL(name), TARGET (the instruction set as a function attribute), LANES, ABREAST (how
   many vectors Adam takes side by side) and, for vectors of that width, LANE_BITS(mask) and ROOTS(x), or, where the
   processor has fused multiply-adds, FUSED(a, b, c) = a * b + c rounded once, LESSER(a, b) and ROOTS_INVERTED(x), which
   is 1 / sqrt(x) to 12 bits or more. Where comparisons make no vectors, IS and AND_IS take the place of LANE_BITS. FOUR,
   a vector of four numbers, comes with JOINED, FIRSTS and SECONDS: see transpose. It gets the functions below with its
   own suffix. Nothing here allocates, fails or knows of Python.

   Exactness. Vectors only ever hold numbers that do not meet: the columns of an output, the elements of an
   update. Each single sum runs in one lane, term by term, in the order that its caller gives, so a wider
   vector changes the speed and no bit. Rows are padded with zeros to a multiple of ROW_PAD, so that no
   kernel has a remainder; what stands in the padding is never read into a real column. */

#define INLINE static inline __attribute__((always_inline)) TARGET
#define VEC KERNEL(vec)
#define MASK KERNEL(mask)

/* aligned to 8 bytes only: columns of a head may start anywhere in a row */
typedef double VEC __attribute__((vector_size(8 * LANES), aligned(8), may_alias));
typedef int64_t MASK __attribute__((vector_size(8 * LANES), aligned(8), may_alias));
#define ALL(x) ((x) - (VEC){0}) /* x in every lane */

/* ------------------------------------------------------------------------------------- products of matrices

   out[m][j] (+)= sum over k = 0 .. depth-1, in this order, of a[m][k] * b[k][j]

   a's steps and b's step may be negative: that is how a sum runs from the last term to the first. With
   `table`, row k of b is table[k], wherever it lies. A tile of up to 4 rows times 2 vectors stays in
   registers: enough independent sums to hide an addition's latency. */

INLINE void KERNEL(tile)(double *out, ptrdiff_t out_step, const double *a, ptrdiff_t a_row, ptrdiff_t a_k,
                         const double *b, ptrdiff_t b_k, const double *const *table, size_t column,
                         size_t depth, int accumulate, const int height, const int width)
{
    VEC sum[4][2];
#pragma GCC unroll 4
    for (int m = 0; m < height; m++)
#pragma GCC unroll 2
        for (int j = 0; j < width; j++)
            sum[m][j] = accumulate ? *(const VEC *)(out + m * out_step + column + j * LANES) : (VEC){0};
    b += column;
    for (size_t k = 0; k < depth; k++) {
        const double *row = table ? table[k] + column : b;
#pragma GCC unroll 2
        for (int j = 0; j < width; j++) {
            VEC bk = *(const VEC *)(row + j * LANES);
#pragma GCC unroll 4
            for (int m = 0; m < height; m++)
                sum[m][j] += bk * a[m * a_row];
        }
        a += a_k;
        if (!table)
            b += b_k;
    }
#pragma GCC unroll 4
    for (int m = 0; m < height; m++)
#pragma GCC unroll 2
        for (int j = 0; j < width; j++)
            *(VEC *)(out + m * out_step + column + j * LANES) = sum[m][j];
}

#define TILE(height, width)                                                                                  \
    KERNEL(tile)                                                                                             \
    (out + m * out_step, out_step, a + m * a_row, a_row, a_k, b, b_k, table, j, depth, accumulate, height, width)

INLINE void KERNEL(product_any)(double *out, ptrdiff_t out_step, size_t height, size_t width, size_t depth,
                                const double *a, ptrdiff_t a_row, ptrdiff_t a_k, const double *b, ptrdiff_t b_k,
                                const double *const *table, int accumulate)
{
    size_t j = 0;
    for (; j + 2 * LANES <= width; j += 2 * LANES) {
        ptrdiff_t m = 0, rows = (ptrdiff_t)height;
        for (; m + 4 <= rows; m += 4)
            TILE(4, 2);
        switch (rows - m) {
        case 3: TILE(3, 2); break;
        case 2: TILE(2, 2); break;
        case 1: TILE(1, 2); break;
        }
    }
    for (; j < width; j += LANES) {
        ptrdiff_t m = 0, rows = (ptrdiff_t)height;
        for (; m + 4 <= rows; m += 4)
            TILE(4, 1);
        switch (rows - m) {
        case 3: TILE(3, 1); break;
        case 2: TILE(2, 1); break;
        case 1: TILE(1, 1); break;
        }
    }
}
#undef TILE

static TARGET void KERNEL(product)(double *out, ptrdiff_t out_step, size_t height, size_t width, size_t depth,
                                   const double *a, ptrdiff_t a_row, ptrdiff_t a_k, const double *b,
                                   ptrdiff_t b_k, int accumulate)
{
    KERNEL(product_any)(out, out_step, height, width, depth, a, a_row, a_k, b, b_k, NULL, accumulate);
}

static TARGET void KERNEL(product_of_table)(double *out, ptrdiff_t out_step, size_t height, size_t width,
                                            size_t depth, const double *a, ptrdiff_t a_row,
                                            const double *const *table, int accumulate)
{
    KERNEL(product_any)(out, out_step, height, width, depth, a, a_row, 1, NULL, 0, table, accumulate);
}

/* to[i][o] = from[o][i] */
static TARGET void KERNEL(transpose)(double *to, size_t to_step, const double *from, size_t from_step, size_t rows,
                                     size_t cols)
{
    size_t o = 0;
#ifdef FOUR /* four rows times two columns at a time */
    for (; o + 4 <= rows; o += 4, from += 4 * from_step)
        for (size_t i = 0; i < cols; i += 2) { /* a row has at least one number of padding where cols is odd */
            FOUR even_rows = JOINED(from + i, from + 2 * from_step + i);
            FOUR odd_rows = JOINED(from + from_step + i, from + 3 * from_step + i);
            *(FOUR *)(to + i * to_step + o) = FIRSTS(even_rows, odd_rows);
            if (i + 1 < cols)
                *(FOUR *)(to + (i + 1) * to_step + o) = SECONDS(even_rows, odd_rows);
        }
#endif
    for (; o < rows; o++, from += from_step)
        for (size_t i = 0; i < cols; i++)
            to[i * to_step + o] = from[i];
}

/* ------------------------------------------------------------------------------------- element by element */

/* y += c * x over n, a multiple of LANES */
INLINE void KERNEL(add_scaled)(double *y, double c, const double *x, size_t n)
{
    for (size_t i = 0; i < n; i += LANES)
        *(VEC *)(y + i) += *(const VEC *)(x + i) * c;
}

static TARGET void KERNEL(sum_of)(double *out, const double *a, const double *b, size_t n)
{
    for (size_t i = 0; i < n; i += LANES)
        *(VEC *)(out + i) = *(const VEC *)(a + i) + *(const VEC *)(b + i);
}

/* max(0, x) as Python's max computes it: a NaN is not above 0 and gives 0 */
static TARGET void KERNEL(relu)(double *out, const double *x, size_t n)
{
    for (size_t i = 0; i < n; i += LANES) {
        VEC v = *(const VEC *)(x + i);
        *(VEC *)(out + i) = (VEC)((MASK)v & (v > 0.0));
    }
}

/* grad (+)= (x > 0) * g; a product and no choice, so that an infinite or NaN g shows */
static TARGET void KERNEL(relu_backward)(double *grad, const double *x, const double *g, size_t n, int accumulate)
{
    for (size_t i = 0; i < n; i += LANES) {
        VEC local = (VEC)((MASK)((VEC){0} + 1.0) & (*(const VEC *)(x + i) > 0.0));
        VEC add = local * *(const VEC *)(g + i);
        if (accumulate)
            add += *(VEC *)(grad + i);
        *(VEC *)(grad + i) = add;
    }
}

/* ------------------------------------------------------------------------------------- rmsnorm

   ms = (sum of x_i*x_i) * n**-1, base = ms + 1e-5, scale = base**-0.5, y_i = x_i * scale */

static TARGET void KERNEL(rmsnorm)(double *y, const double *x, size_t rows, size_t n, size_t stride,
                                   double *base, double *scale)
{
    double per_n = power((double)n, -1.0);
    for (size_t p = 0; p < rows; p++, x += stride, y += stride) {
        double sum = 0.0;
        for (size_t i = 0; i < n; i++)
            sum += x[i] * x[i];
        base[p] = sum * per_n + 1e-5;
        scale[p] = power(base[p], -0.5);
        for (size_t i = 0; i < stride; i += LANES)
            *(VEC *)(y + i) = *(const VEC *)(x + i) * scale[p];
    }
}

/* d/dscale gathers x_i * g_i from the last y_i to the first; d/dx_i gathers scale * g_i from y_i and then
   twice x_i * d/dsum, once for each factor of its square. */
static TARGET void KERNEL(rmsnorm_backward)(double *grad, const double *x, const double *g, size_t rows, size_t n,
                                            size_t stride, const double *base, const double *scale, int accumulate)
{
    double per_n = power((double)n, -1.0);
    for (size_t p = 0; p < rows; p++, x += stride, g += stride, grad += stride) {
        double d_scale = 0.0;
        for (size_t i = n; i-- > 0;)
            d_scale += x[i] * g[i];
        double d_sum = per_n * (-0.5 * power(base[p], -1.5) * d_scale);
        for (size_t i = 0; i < stride; i += LANES) {
            VEC through_square = *(const VEC *)(x + i) * d_sum;
            VEC through_scale = *(const VEC *)(g + i) * scale[p];
            VEC d = through_scale;
            if (accumulate)
                d += *(VEC *)(grad + i);
            *(VEC *)(grad + i) = (d + through_square) + through_square;
        }
    }
}

/* ------------------------------------------------------------------------------------- attention

   One position p of queries, `length` entries of keys and values, heads of `size` columns:

       logit_t = (sum over j of q_j * k_tj) * c,  e_t = exp(logit_t - max),  inv = (sum of e)**-1
       w_t = e_t * inv,                           x_j = sum over t of w_t * v_tj

   e, w: (heads, steps) of this position; total, inv: (heads,). Products are formed for all heads at once,
   in `row`, `stride` numbers of scratch; then each head adds its own in order. */

INLINE void KERNEL(attention_any)(double *x, const double *q, const double *k, const double *v, size_t length,
                                  size_t heads, const size_t size, size_t stride, double c, size_t steps,
                                  double *e, double *w, double *total, double *inv, double *row)
{
    for (size_t t = 0; t < length; t++) {
        for (size_t i = 0; i < stride; i += LANES)
            *(VEC *)(row + i) = *(const VEC *)(q + i) * *(const VEC *)(k + t * stride + i);
        for (size_t h = 0; h < heads; h++) {
            double sum = 0.0;
            for (size_t j = 0; j < size; j++)
                sum += row[h * size + j];
            e[h * steps + t] = sum * c;
        }
    }
    for (size_t h = 0; h < heads; h++) {
        double *eh = e + h * steps, *wh = w + h * steps, max = eh[0], sum = 0.0;
        for (size_t t = 1; t < length; t++)
            max = eh[t] > max ? eh[t] : max;
        for (size_t t = 0; t < length; t++)
            sum += eh[t] = exp(eh[t] - max);
        total[h] = sum;
        inv[h] = power(sum, -1.0);
        for (size_t t = 0; t < length; t++)
            wh[t] = eh[t] * inv[h];
    }
    for (size_t i = 0; i < stride; i++)
        x[i] = 0.0;
    for (size_t t = 0; t < length; t++)
        for (size_t h = 0; h < heads; h++)
            for (size_t j = 0; j < size; j++)
                x[h * size + j] += w[h * steps + t] * v[t * stride + h * size + j];
}

/* With g = d/dx of this position, and every sum over t or j from the last term to the first:

       d/dw_t = sum over j of v_tj * g_j,   d/dv_tj += w_t * g_j
       d/dtotal = sum over t of -total**-2 * (e_t * d/dw_t), for the reference divides each e_t anew
       d/de_t = inv * d/dw_t + d/dtotal,    d/d(q.k_t) = c * (e_t * d/de_t)
       d/dq_j = sum over t of k_tj * d/d(q.k_t), d/dk_tj += q_j * d/d(q.k_t)

   dq, dk and dv accumulate. `dw`: (heads, steps) of scratch. */
INLINE void KERNEL(attention_backward_any)(double *dq, double *dk, double *dv, const double *g, const double *q,
                                           const double *k, const double *v, size_t length, size_t heads,
                                           const size_t size, size_t stride, double c, size_t steps,
                                           const double *e, const double *w, const double *total,
                                           const double *inv, double *dw, double *row)
{
    for (size_t t = 0; t < length; t++) {
        for (size_t i = 0; i < stride; i += LANES)
            *(VEC *)(row + i) = *(const VEC *)(v + t * stride + i) * *(const VEC *)(g + i);
        for (size_t h = 0; h < heads; h++) {
            double sum = 0.0;
            for (size_t j = size; j-- > 0;)
                sum += row[h * size + j];
            dw[h * steps + t] = sum;
        }
    }
    for (size_t h = 0; h < heads; h++) {
        const double *eh = e + h * steps;
        double *dwh = dw + h * steps, d_total = 0.0, local = -power(total[h], -2.0);
        for (size_t t = length; t-- > 0;)
            d_total += local * (eh[t] * dwh[t]);
        for (size_t t = 0; t < length; t++)
            dwh[t] = c * (eh[t] * (inv[h] * dwh[t] + d_total)); /* from here on d/d(q.k_t) */
    }
    for (size_t t = length; t-- > 0;)
        for (size_t h = 0; h < heads; h++) {
            double weight = w[h * steps + t], d = dw[h * steps + t];
            size_t i = h * size, kv = t * stride + i;
            for (size_t j = 0; j < size; j++) {
                dv[kv + j] += weight * g[i + j];
                dq[i + j] += k[kv + j] * d;
                dk[kv + j] += q[i + j] * d;
            }
        }
}

/* head sizes that are known while compiling have their short loops unrolled */
static TARGET void KERNEL(attention)(double *x, const double *q, const double *k, const double *v, size_t length,
                                     size_t heads, size_t size, size_t stride, double c, size_t steps, double *e,
                                     double *w, double *total, double *inv, double *row)
{
    if (size == 4)
        KERNEL(attention_any)(x, q, k, v, length, heads, 4, stride, c, steps, e, w, total, inv, row);
    else
        KERNEL(attention_any)(x, q, k, v, length, heads, size, stride, c, steps, e, w, total, inv, row);
}

static TARGET void KERNEL(attention_backward)(double *dq, double *dk, double *dv, const double *g, const double *q,
                                              const double *k, const double *v, size_t length, size_t heads,
                                              size_t size, size_t stride, double c, size_t steps, const double *e,
                                              const double *w, const double *total, const double *inv, double *dw,
                                              double *row)
{
    if (size == 4)
        KERNEL(attention_backward_any)(dq, dk, dv, g, q, k, v, length, heads, 4, stride, c, steps, e, w, total, inv,
                                       dw, row);
    else
        KERNEL(attention_backward_any)(dq, dk, dv, g, q, k, v, length, heads, size, stride, c, steps, e, w, total,
                                       inv, dw, row);
}

/* ------------------------------------------------------------------------------------- Adam

   The reference squares with g**2 and takes the root with v**0.5, both the C library's pow, which is not
   correctly rounded: about one result in 1,200 differs from g*g or sqrt(v) in its last bit. Calling pow for
   every parameter would cost several times the rest of the step, so:

   glibc's pow is off by less than 0.511 + |y log x| * 5e-5 units in the last place (its source says so, with
   and without FMA; older ones, before 2.28, are better), which for results between 2**-78 and 2**78 is less
   than 0.5135. Where the exact result lies within 0.4865 units of a number p, pow has no other to give. How far
   off the exact result is, is itself exact arithmetic, minus_product; it lies that near if p stays what it is
   when 0.5 / 0.4865 times as much is added. The others, some 2 in 100, and all results outside that range are
   in doubt: pow computes those. So the root below need not be rounded correctly, only nearly always.

   musl's, which WebAssembly has, is of the same source. With another C library every one is in doubt. */

#if defined(__GLIBC__) || defined(__wasm__)
#define DOUBT (0.5 / 0.4865)
#else
#define DOUBT INFINITY
#endif

/* p - x * y, without an error where they are close */
INLINE VEC KERNEL(minus_product)(VEC p, VEC x, VEC y)
{
#ifdef FUSED
    return FUSED(-x, y, p);
#else
    /* by halves of 26 and 27 bits, whose products are exact (Veltkamp 1968, Dekker 1971) */
    VEC x1 = (VEC)((MASK)x & ~(int64_t)0x7ffffff), x2 = x - x1, y1 = (VEC)((MASK)y & ~(int64_t)0x7ffffff), y2 = y - y1;
    return ((p - x1 * y1) - (x1 * y2 + x2 * y1)) - x2 * y2;
#endif
}

/* Bits of the lanes that hold an x other than 0 whose result p, `rest` away from the exact one, pow may give otherwise. */
INLINE unsigned KERNEL(in_doubt)(VEC x, VEC p, VEC rest)
{
    const VEC least = ALL(0x1p-78), most = ALL(0x1p78);
#ifdef FUSED
    VEC next = FUSED(rest, ALL(DOUBT), p);
#else
    VEC next = rest * DOUBT + p;
#endif
#ifdef IS
    unsigned settled = AND_IS(AND_IS(IS(next, _CMP_EQ_OQ, p), p, _CMP_GE_OQ, least), p, _CMP_LE_OQ, most);
    return _kandn_mask8((__mmask8)settled, IS(x, _CMP_NEQ_UQ, (VEC){0}));
#else
    return (unsigned)LANE_BITS((x != 0.0) & ~((next == p) & (p >= least) & (p <= most)));
#endif
}

#ifdef FUSED
/* Whether a lane holds an x so small that a quotient's rest may not be a number; of 0s, only -0, whose sign would go. */
INLINE unsigned KERNEL(tiny)(VEC x)
{
    VEC size = (VEC)((MASK)x & INT64_MAX);
#ifdef IS
    return AND_IS(_mm512_test_epi64_mask((__m512i)x, (__m512i)x), size, _CMP_LT_OQ, ALL(0x1p-900));
#else
    return (unsigned)LANE_BITS(((MASK)x != 0) & (size < 0x1p-900));
#endif
}
#endif

/* The lanes that are set in `bits` of each of n / LANES vectors, listed; how many. */
INLINE size_t KERNEL(list_lanes)(const unsigned char *bits, size_t n, unsigned short *listed)
{
    unsigned char vectors[ADAM_BLOCK / LANES];
    size_t n_vectors = 0, n_listed = 0;
    for (size_t v = 0; v < n / LANES; v++) { /* without a branch that nobody could predict */
        vectors[n_vectors] = (unsigned char)v;
        n_vectors += bits[v] != 0;
    }
    for (size_t i = 0; i < n_vectors; i++)
        for (unsigned rest = bits[vectors[i]]; rest; rest &= rest - 1)
            listed[n_listed++] = (unsigned short)(vectors[i] * LANES + __builtin_ctz(rest));
    return n_listed;
}

/* What all numbers of a step are divided by. Where a fused multiply-add gives the exact rest of a quotient, two
   multiplications by the inverse, which has two parts, and one correction take the place of a division, which
   takes longer: the multiplications leave less than one unit in the last place, from where the correction rounds
   correctly (Markstein 1990; not where all digits of the divisor are ones). That holds for 0 and numbers between
   2**-900 and 2**900. Larger ones do not come here, as their squares would have stopped the update; smaller ones
   give something below 2**-800. */
typedef struct {
    double divisor, inverse, inverse_rest;
} KERNEL(Divisor);

/* Whether y can be divided by in this way. */
INLINE int KERNEL(invert)(double y, KERNEL(Divisor) *d)
{
    *d = (KERNEL(Divisor)){y, 1.0 / y, 0.0};
#ifdef FUSED
    const int64_t digits = ((int64_t)1 << 52) - 1;
    int64_t bits;
    memcpy(&bits, &y, sizeof bits);
    VEC rest = FUSED(ALL(-y), ALL(d->inverse), ALL(1.0));
    d->inverse_rest = rest[0] * d->inverse;
    return (bits & digits) != digits && 0x1p-60 < y && y < 0x1p60;
#else
    return 0;
#endif
}

/* `count` vectors' moments and changes, their gradients having been squared; changes = above / (root + eps), where
   roots are right except in the lanes that `bits` tells. The change's is the only division if the corrections are
   `inverted`, and no root is taken: the rest of the arithmetic passes while the one unit that can do so is at its
   division. Vectors go side by side because each line waits for the one before it. */
INLINE void KERNEL(adam_vectors)(double *grad, double *first, double *second, const double *squares, double *above,
                                 double *change, unsigned char *bits, const AdamStep *s, const KERNEL(Divisor) *d1,
                                 const KERNEL(Divisor) *d2, const int count, const int inverted)
{
#define EACH _Pragma("GCC unroll 4") for (int j = 0; j < count; j++)
#define AT(array) (*(VEC *)((array) + j * LANES))
    VEC m[4], v[4], m_hat[4], v_hat[4], root[4], half[4], y[4], e[4];
    EACH m[j] = s->beta1 * AT(first);
    EACH v[j] = s->beta2 * AT(second);
    EACH m[j] += s->rest1 * AT(grad);
    EACH v[j] += s->rest2 * AT(squares);
    EACH AT(grad) = (VEC){0};
    EACH AT(first) = m[j];
    EACH AT(second) = v[j];
    unsigned divide = !inverted;
#ifdef FUSED
    if (inverted) { /* v below 2**-900 has a root outside the range that is settled, and is divided then */
        EACH v_hat[j] = v[j] * d2->inverse_rest;
        EACH m_hat[j] = m[j] * d1->inverse_rest;
        EACH v_hat[j] = FUSED(v[j], ALL(d2->inverse), v_hat[j]);
        EACH m_hat[j] = FUSED(m[j], ALL(d1->inverse), m_hat[j]);
        EACH e[j] = FUSED(-v_hat[j], ALL(d2->divisor), v[j]);
        EACH v_hat[j] = FUSED(e[j], ALL(d2->inverse), v_hat[j]);
        EACH e[j] = FUSED(-m_hat[j], ALL(d1->divisor), m[j]);
        EACH m_hat[j] = FUSED(e[j], ALL(d1->inverse), m_hat[j]);
        EACH divide |= KERNEL(tiny)(m[j]);
    }
#endif
    if (!inverted)
        EACH v_hat[j] = v[j] / d2->divisor;
    if (divide)
        EACH m_hat[j] = m[j] / d1->divisor;
    EACH AT(above) = m_hat[j] = s->learning_rate * m_hat[j];
#ifdef FUSED
    /* of 12 bits a step of third order makes 36, and their exact rest all, or nearly */
    EACH y[j] = LESSER(ROOTS_INVERTED(v_hat[j]), ALL(0x1p600)); /* not infinite, so that 0 has the root 0 */
    EACH root[j] = v_hat[j] * y[j];
    EACH half[j] = 0.5 * y[j];
    EACH e[j] = FUSED(-root[j], y[j], ALL(1.0));
    EACH y[j] = FUSED(e[j], ALL(0.375), ALL(0.5));
    EACH e[j] *= y[j];
    EACH root[j] = FUSED(root[j], e[j], root[j]);
    EACH half[j] = FUSED(half[j], e[j], half[j]);
    EACH e[j] = FUSED(-root[j], root[j], v_hat[j]);
    EACH root[j] = FUSED(e[j], half[j], root[j]);
#else
    EACH root[j] = ROOTS(v_hat[j]);
    EACH half[j] = 0.5 / root[j];
#endif
    EACH AT(change) = m_hat[j] / (root[j] + s->eps);
    /* the exact root is (v_hat - root * root) / (2 * root) away */
    EACH e[j] = KERNEL(minus_product)(v_hat[j], root[j], root[j]);
    EACH e[j] *= half[j];
    EACH bits[j] = (unsigned char)KERNEL(in_doubt)(v[j], root[j], e[j]);
    (void)y, (void)half;
#undef EACH
#undef AT
}

/* One update of n numbers, a multiple of LANES of which the first `real` count; gradients go to 0.
   Returns 0, or ADAM_OVERFLOW or ADAM_DIVISION where Python's float arithmetic raises. */
static TARGET int KERNEL(adam)(double *data, double *grad, double *first, double *second, size_t n, size_t real,
                               const AdamStep *step)
{
    const AdamStep s = *step;
    KERNEL(Divisor) d1, d2;
    const int inverted = KERNEL(invert)(s.correction1, &d1) & KERNEL(invert)(s.correction2, &d2);
    double squares[ADAM_BLOCK], above[ADAM_BLOCK], change[ADAM_BLOCK];
    unsigned char bits[ADAM_BLOCK / LANES];
    unsigned short doubts[ADAM_BLOCK];
    for (size_t size, i; n > 0; n -= size, real -= real < size ? real : size) {
        size = n < ADAM_BLOCK ? n : ADAM_BLOCK;
        for (i = 0; i < size; i += LANES) {
            VEC g = *(VEC *)(grad + i), square = g * g;
            bits[i / LANES] = (unsigned char)KERNEL(in_doubt)(g, square, -KERNEL(minus_product)(square, g, g));
            *(VEC *)(squares + i) = square;
        }
        size_t n_doubts = KERNEL(list_lanes)(bits, size, doubts);
        for (size_t d = 0; d < n_doubts; d++) {
            double g = grad[doubts[d]], square = squares[doubts[d]] = power(g, 2.0);
            if (isinf(square) && !isinf(g))
                return ADAM_OVERFLOW;
        }
#define VECTORS(count, inverted)                                                                             \
    KERNEL(adam_vectors)                                                                                     \
    (grad + i, first + i, second + i, squares + i, above + i, change + i, bits + i / LANES, &s, &d1, &d2, count, inverted)
        i = 0;
        for (; inverted && i + ABREAST * LANES <= size; i += ABREAST * LANES)
            VECTORS(ABREAST, 1);
        for (; inverted && i < size; i += LANES)
            VECTORS(1, 1);
        for (; i < size; i += LANES)
            VECTORS(1, 0);
#undef VECTORS
        n_doubts = KERNEL(list_lanes)(bits, size, doubts);
        for (size_t d = 0; d < n_doubts; d++)
            change[doubts[d]] = above[doubts[d]] / (power(second[doubts[d]] / s.correction2, 0.5) + s.eps);
        for (i = 0; s.eps == 0.0 && i < size && i < real; i++)
            if (second[i] / s.correction2 == 0.0)
                return ADAM_DIVISION;
        for (i = 0; i < size; i += LANES)
            *(VEC *)(data + i) -= *(VEC *)(change + i);
        data += size, grad += size, first += size, second += size;
    }
    return 0;
}

#undef ALL
#undef DOUBT
#undef INLINE
#undef VEC
#undef MASK
