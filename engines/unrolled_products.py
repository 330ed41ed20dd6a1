"""Sums of products spelled out by hand, for up to eight terms and for sixteen: what `vector_exact` and `vector` add with.

Every sum is one expression, from left to right, over numbers in locals: two loads, a multiplication and an addition per
term, which CPython specializes for floats from 3.11 on. Whole matrices go in, so that one comprehension makes all sums of
an op; its names are the comprehension's own, because up to CPython 3.11 those of the function around it are cells and
slower to load.
"""

from itertools import chain, compress

# fmt: off

# all dot products of rows of so many numbers: (m, terms), (n, terms) → m · n numbers


def products_1(a_rows, b_rows):
    return [a0 * b0 for (a0,) in a_rows for (b0,) in b_rows]


def products_2(a_rows, b_rows):
    return [a0 * b0 + a1 * b1 for a0, a1 in a_rows for b0, b1 in b_rows]


def products_3(a_rows, b_rows):
    return [a0 * b0 + a1 * b1 + a2 * b2 for a0, a1, a2 in a_rows for b0, b1, b2 in b_rows]


def products_4(a_rows, b_rows):
    return [a0 * b0 + a1 * b1 + a2 * b2 + a3 * b3 for a0, a1, a2, a3 in a_rows for b0, b1, b2, b3 in b_rows]


def products_5(a_rows, b_rows):
    return [
        a0 * b0 + a1 * b1 + a2 * b2 + a3 * b3 + a4 * b4
        for a0, a1, a2, a3, a4 in a_rows
        for b0, b1, b2, b3, b4 in b_rows
    ]


def products_6(a_rows, b_rows):
    return [
        a0 * b0 + a1 * b1 + a2 * b2 + a3 * b3 + a4 * b4 + a5 * b5
        for a0, a1, a2, a3, a4, a5 in a_rows
        for b0, b1, b2, b3, b4, b5 in b_rows
    ]


def products_7(a_rows, b_rows):
    return [
        a0 * b0 + a1 * b1 + a2 * b2 + a3 * b3 + a4 * b4 + a5 * b5 + a6 * b6
        for a0, a1, a2, a3, a4, a5, a6 in a_rows
        for b0, b1, b2, b3, b4, b5, b6 in b_rows
    ]


def products_8(a_rows, b_rows):
    return [
        a0 * b0 + a1 * b1 + a2 * b2 + a3 * b3 + a4 * b4 + a5 * b5 + a6 * b6 + a7 * b7
        for a0, a1, a2, a3, a4, a5, a6, a7 in a_rows
        for b0, b1, b2, b3, b4, b5, b6, b7 in b_rows
    ]


def products_16(a_rows, b_rows):
    return [
        a0 * b0 + a1 * b1 + a2 * b2 + a3 * b3 + a4 * b4 + a5 * b5 + a6 * b6 + a7 * b7
        + a8 * b8 + a9 * b9 + a10 * b10 + a11 * b11 + a12 * b12 + a13 * b13 + a14 * b14 + a15 * b15
        for a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15 in a_rows
        for b0, b1, b2, b3, b4, b5, b6, b7, b8, b9, b10, b11, b12, b13, b14, b15 in b_rows
    ]


# the same, added onto the numbers of an iterator


def more_8(start, a_rows, b_rows):
    return [
        s + a0 * b0 + a1 * b1 + a2 * b2 + a3 * b3 + a4 * b4 + a5 * b5 + a6 * b6 + a7 * b7
        for a0, a1, a2, a3, a4, a5, a6, a7 in a_rows
        for (b0, b1, b2, b3, b4, b5, b6, b7), s in zip(b_rows, start)
    ]


def more_16(start, a_rows, b_rows):
    return [
        s + a0 * b0 + a1 * b1 + a2 * b2 + a3 * b3 + a4 * b4 + a5 * b5 + a6 * b6 + a7 * b7
        + a8 * b8 + a9 * b9 + a10 * b10 + a11 * b11 + a12 * b12 + a13 * b13 + a14 * b14 + a15 * b15
        for a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15 in a_rows
        for (b0, b1, b2, b3, b4, b5, b6, b7, b8, b9, b10, b11, b12, b13, b14, b15), s in zip(b_rows, start)
    ]


# start + f₀·v₀ + f₁·v₁ + …, elementwise, for so many vectors


def sum_1(start, factors, vectors):
    return [s + a0 * b0 for (a0,) in (factors,) for s, b0 in zip(start, *vectors)]


def sum_2(start, factors, vectors):
    return [s + a0 * b0 + a1 * b1 for a0, a1 in (factors,) for s, b0, b1 in zip(start, *vectors)]


def sum_3(start, factors, vectors):
    return [s + a0 * b0 + a1 * b1 + a2 * b2 for a0, a1, a2 in (factors,) for s, b0, b1, b2 in zip(start, *vectors)]


def sum_4(start, factors, vectors):
    return [
        s + a0 * b0 + a1 * b1 + a2 * b2 + a3 * b3
        for a0, a1, a2, a3 in (factors,)
        for s, b0, b1, b2, b3 in zip(start, *vectors)
    ]


def sum_5(start, factors, vectors):
    return [
        s + a0 * b0 + a1 * b1 + a2 * b2 + a3 * b3 + a4 * b4
        for a0, a1, a2, a3, a4 in (factors,)
        for s, b0, b1, b2, b3, b4 in zip(start, *vectors)
    ]


def sum_6(start, factors, vectors):
    return [
        s + a0 * b0 + a1 * b1 + a2 * b2 + a3 * b3 + a4 * b4 + a5 * b5
        for a0, a1, a2, a3, a4, a5 in (factors,)
        for s, b0, b1, b2, b3, b4, b5 in zip(start, *vectors)
    ]


def sum_7(start, factors, vectors):
    return [
        s + a0 * b0 + a1 * b1 + a2 * b2 + a3 * b3 + a4 * b4 + a5 * b5 + a6 * b6
        for a0, a1, a2, a3, a4, a5, a6 in (factors,)
        for s, b0, b1, b2, b3, b4, b5, b6 in zip(start, *vectors)
    ]


def sum_8(start, factors, vectors):
    return [
        s + a0 * b0 + a1 * b1 + a2 * b2 + a3 * b3 + a4 * b4 + a5 * b5 + a6 * b6 + a7 * b7
        for a0, a1, a2, a3, a4, a5, a6, a7 in (factors,)
        for s, b0, b1, b2, b3, b4, b5, b6, b7 in zip(start, *vectors)
    ]


def sum_16(start, factors, vectors):
    return [
        s + a0 * b0 + a1 * b1 + a2 * b2 + a3 * b3 + a4 * b4 + a5 * b5 + a6 * b6 + a7 * b7
        + a8 * b8 + a9 * b9 + a10 * b10 + a11 * b11 + a12 * b12 + a13 * b13 + a14 * b14 + a15 * b15
        for a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15 in (factors,)
        for s, b0, b1, b2, b3, b4, b5, b6, b7, b8, b9, b10, b11, b12, b13, b14, b15 in zip(start, *vectors)
    ]


# fmt: on

PRODUCTS = {
    1: products_1,
    2: products_2,
    3: products_3,
    4: products_4,
    5: products_5,
    6: products_6,
    7: products_7,
    8: products_8,
    16: products_16,
}
SUMS = {1: sum_1, 2: sum_2, 3: sum_3, 4: sum_4, 5: sum_5, 6: sum_6, 7: sum_7, 8: sum_8, 16: sum_16}


def products(a_rows, b_rows):
    """A·Bᵀ as one flat list, each sum from its first term to its last: (m, terms), (n, terms) → m · n numbers."""
    terms = len(a_rows[0])
    if terms in PRODUCTS:
        return PRODUCTS[terms](a_rows, b_rows)
    stop = terms % 16 or 16
    if stop > 8 and stop != 16:
        stop -= 8
    total = PRODUCTS[stop](part(a_rows, 0, stop), part(b_rows, 0, stop))
    while stop < terms:
        start, more, stop = (stop, more_16, stop + 16) if (terms - stop) % 16 == 0 else (stop, more_8, stop + 8)
        total = more(iter(total), part(a_rows, start, stop), part(b_rows, start, stop))
    return total


def part(rows, start, stop):
    """The same columns of each row."""
    return [row[start:stop] for row in rows]


def in_rows(numbers, n):
    """Numbers in rows of n."""
    return [numbers[i : i + n] for i in range(0, len(numbers), n)]


def columns(rows):
    """The rows turned: (m, n) → (n, m)."""
    return list(zip(*rows))


def combine(start, factors, vectors):
    """start + Σ factors[k]·vectors[k], left to right, without the terms with factor 0: (n,), (terms,), (terms, n) → (n,)."""
    vectors = list(compress(vectors, factors))
    factors = list(filter(None, factors))
    if len(factors) % 16 > 8:  # one sum of 16 terms is faster than one of 8 and another
        missing = -len(factors) % 16
        factors += [0.0] * missing
        vectors += vectors[:1] * missing
    for k in range(0, len(factors), 16):
        f = factors[k : k + 16]
        start = SUMS[len(f)](start, f, vectors[k : k + 16])
    return start


def side_by_side(heads):
    """(heads, positions, d) → (positions, heads · d), as lists: CPython unpacks fastest what is always of one type."""
    return [list(chain.from_iterable(rows)) for rows in zip(*heads)]
