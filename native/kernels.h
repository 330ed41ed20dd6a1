/* The arithmetic, written once and compiled once per vector width.

   The including file defines KERNEL(name), TARGET (the instruction set as a function attribute), LANES and, for
   vectors of that width, ROOTS(v), LANE_BITS(mask), PRODUCT_REST(x, y, p) = x * y - p without an error where p is
   close to x * y, and, if the processor has it, FUSED(a, b, c) = a * b + c rounded once. It gets the functions
   below with its own suffix. Nothing here allocates, fails or knows of Python.

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
typedef uint64_t KERNEL(bits) __attribute__((vector_size(8 * LANES), aligned(8), may_alias));

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
   than 0.5135. Where the exact result lies within 0.4865 units of a correctly rounded one, pow has no other
   number to give. How far off the exact result is, is itself exact arithmetic: PRODUCT_REST. The others,
   some 2 in 100, and all results outside that range are `doubtful`: pow computes those.

   With another C library every one is doubtful. */

#ifdef __GLIBC__
#define SETTLED 0.4865
#else
#define SETTLED -1.0
#endif

#ifndef FUSED
/* x * y - p by halves of 26 and 27 bits, whose products are exact (Veltkamp 1968, Dekker 1971) */
INLINE VEC KERNEL(product_rest)(VEC x, VEC y, VEC p)
{
    VEC x1 = (VEC)((MASK)x & ~(int64_t)0x7ffffff), x2 = x - x1, y1 = (VEC)((MASK)y & ~(int64_t)0x7ffffff), y2 = y - y1;
    return ((x1 * y1 - p) + (x1 * y2 + x2 * y1)) + x2 * y2;
}
#endif

/* Whether pow could give something else than `rounded`, the result for x, when the exact result is off by
   rest / scale. Below a power of two the next number is half as far away, hence the - 1; 0 stays 0. */
INLINE MASK KERNEL(doubtful)(VEC x, VEC rounded, VEC rest, VEC scale)
{
    MASK exponent = ((MASK)rounded - 1) & (int64_t)0x7ff0000000000000;
    VEC far = (VEC)((MASK)rest & INT64_MAX), allowed = scale * ((VEC)exponent * (SETTLED * 0x1p-52));
    KERNEL(bits) above = (KERNEL(bits))(exponent - ((int64_t)(1023 - 78) << 52));
    MASK outside = above > (uint64_t)(((int64_t)(1023 + 78) << 52) - ((int64_t)(1023 - 78) << 52));
    return (outside | ~(far <= allowed)) & (x != 0.0);
}

/* results = x ** y where in doubt, `bits` telling the doubtful lanes of each of n / LANES vectors; whether a
   finite number became infinite, for which Python raises. */
INLINE int KERNEL(ask_pow)(const unsigned char *bits, double *results, const double *x, double y, size_t n)
{
    unsigned char doubtful[ADAM_BLOCK / LANES];
    size_t count = 0;
    int overflow = 0;
    for (size_t v = 0; v < n / LANES; v++) { /* without a branch that nobody could predict */
        doubtful[count] = (unsigned char)v;
        count += bits[v] != 0;
    }
    for (size_t d = 0; d < count; d++)
        for (unsigned rest = bits[doubtful[d]]; rest; rest &= rest - 1) {
            size_t i = doubtful[d] * (size_t)LANES + (size_t)__builtin_ctz(rest);
            results[i] = power(x[i], y);
            overflow |= isinf(results[i]) && !isinf(x[i]);
        }
    return overflow;
}

/* x / y. Adam's corrections divide all numbers of a step, so where a fused multiply-add gives the exact rest of a
   quotient, two corrections by `inverse`, 1 / y rounded, take the place of a division, which takes longer: the
   first leaves less than one unit in the last place, from where the second rounds correctly (Markstein 1990; not where
   all digits of y are ones, which `by_inverse` says). Numbers so large or small that a rest may not be exact are divided. */
INLINE VEC KERNEL(over)(VEC x, double y, double inverse, int by_inverse)
{
#ifdef FUSED
    const int64_t least = (int64_t)(1023 - 900) << 52, most = (int64_t)(1023 + 900) << 52;
    KERNEL(bits) above = (KERNEL(bits))(((MASK)x & INT64_MAX) - least);
    MASK inexact = (above > (uint64_t)(most - least)) & (x != 0.0);
    if (by_inverse && !LANE_BITS(inexact)) {
        VEC divisor = (VEC){0} + y, factor = (VEC){0} + inverse, quotient = x * inverse;
        quotient = FUSED(FUSED(-quotient, divisor, x), factor, quotient);
        return FUSED(FUSED(-quotient, divisor, x), factor, quotient);
    }
#endif
    (void)inverse, (void)by_inverse;
    return x / y;
}

/* Whether a digit of y is a zero. */
INLINE int KERNEL(has_inverse)(double y)
{
    const int64_t digits = ((int64_t)1 << 52) - 1;
    int64_t bits;
    memcpy(&bits, &y, sizeof bits);
    return (bits & digits) != digits;
}

/* One update of n numbers, a multiple of LANES of which the first `real` count; gradients go to 0.
   Returns 0, or ADAM_OVERFLOW or ADAM_DIVISION where Python's float arithmetic raises. */
static TARGET int KERNEL(adam)(double *data, double *grad, double *first, double *second, size_t n, size_t real,
                               const AdamStep *s)
{
    const double beta1 = s->beta1, rest1 = s->rest1, correction1 = s->correction1;
    const double beta2 = s->beta2, rest2 = s->rest2, correction2 = s->correction2;
    const double learning_rate = s->learning_rate, eps = s->eps;
    const double inverse1 = 1.0 / correction1, inverse2 = 1.0 / correction2;
    const int by_inverse1 = KERNEL(has_inverse)(correction1), by_inverse2 = KERNEL(has_inverse)(correction2);
    double x[ADAM_BLOCK], results[ADAM_BLOCK];
    unsigned char bits[ADAM_BLOCK / LANES];
    for (size_t done = 0; done < n; done += ADAM_BLOCK) {
        size_t size = n - done < ADAM_BLOCK ? n - done : ADAM_BLOCK;
        for (size_t i = 0; i < size; i += LANES) {
            VEC g = *(VEC *)(grad + done + i), square = g * g;
            MASK doubtful = KERNEL(doubtful)(g, square, PRODUCT_REST(g, g, square), (VEC){0} + 1.0);
            bits[i / LANES] = (unsigned char)LANE_BITS(doubtful);
            *(VEC *)(results + i) = square;
        }
        if (KERNEL(ask_pow)(bits, results, grad + done, 2.0, size))
            return ADAM_OVERFLOW;
        for (size_t i = 0; i < size; i += LANES) {
            VEC g = *(VEC *)(grad + done + i), square = *(VEC *)(results + i);
            VEC m = beta1 * *(VEC *)(first + done + i) + rest1 * g;
            VEC v = beta2 * *(VEC *)(second + done + i) + rest2 * square;
            VEC v_hat = KERNEL(over)(v, correction2, inverse2, by_inverse2), root = ROOTS(v_hat);
            /* the exact root is off by (v_hat - root * root) / (2 * root) */
            MASK doubtful = KERNEL(doubtful)(v_hat, root, PRODUCT_REST(root, root, v_hat), 2.0 * root);
            bits[i / LANES] = (unsigned char)LANE_BITS(doubtful);
            *(VEC *)(grad + done + i) = (VEC){0};
            *(VEC *)(first + done + i) = m;
            *(VEC *)(second + done + i) = v;
            *(VEC *)(x + i) = v_hat;
            *(VEC *)(results + i) = root;
        }
        KERNEL(ask_pow)(bits, results, x, 0.5, size);
        if (eps == 0.0)
            for (size_t i = 0; i < size && done + i < real; i++)
                if (results[i] == 0.0)
                    return ADAM_DIVISION;
        for (size_t i = 0; i < size; i += LANES) {
            VEC m_hat = KERNEL(over)(*(VEC *)(first + done + i), correction1, inverse1, by_inverse1);
            *(VEC *)(data + done + i) -= learning_rate * m_hat / (*(VEC *)(results + i) + eps);
        }
    }
    return 0;
}

#undef INLINE
#undef VEC
#undef MASK
#undef SETTLED
