"""Sums of products as written source: every sum one expression over local variables, from its first term to its last.

A general loop spends more on its bookkeeping than on its arithmetic: it takes tuples apart, advances iterators, looks
into lists. Where the shape is known, none of that is needed. Per term there are left two loads, a multiplication and an
addition, all of which CPython from 3.11 on specializes for floats. What `compiled` and `compiled_unordered` write alike:

- `product`: sums of products of a few vectors, unpacked once into locals, with many others, one after the other; `mix`
  and `multiply` cut any shape into such;
- `combination`: one such sum, for factors with many zeros, behind `combine`;
- `sum_of_rows`: whole rows of an addition.

Larger matrices are cut in tiles of about `TILE` numbers, and wider rows than `WIDE` fall back to loops: no text grows
with the model, and a tile has no more locals than one byte can name, but for a few. A sum is cut only between two of its
terms, and the next tile begins with what the last one found.
"""

from functools import lru_cache
from itertools import chain, compress

from engines.source_writing import names, nested, one_a_line, sum_text, writer

TILE = 256  # numbers of a matrix that one function holds in locals; at least 16, and WIDE
BLOCK = 4  # positions that are multiplied at a time
WIDE = 64  # rows up to this width are written out number by number
GENERATED = {}  # name: text of every function so far

written = writer(GENERATED)


@written
def product(lines, width, over, onto=""):
    """For each tuple of factors, the sums of its products with a matrix given as lines; ``onto`` other sums if said.

    Over "lines": Σ_k f_k · line k, elementwise. Over "width": for each line Σ_k f_k · line[k].
    """
    terms, outs = (lines, width) if over == "lines" else (width, lines)
    entry = "f{k} * v{k}_{o}" if over == "lines" else "f{k} * v{o}_{k}"
    sums = [sum_text((entry.format(k=k, o=o) for k in range(terms)), onto and f"s{o}") for o in range(outs)]
    loop = f"for {names('f', terms)} in factors"
    if onto:
        loop = f"for ({names('f', terms)}), ({names('s', outs)}) in zip(factors, starts)"
    return f"""(factors, lines{onto and ", starts"}):
    {nested("v", lines, width)} = lines
    return [
        ({one_a_line(sums)}
        )
        {loop}
    ]
"""


@lru_cache(maxsize=None)  # noqa: UP033
def pieces(n, most):
    """Slices that cut n things as evenly as can be, into as few parts of at most ``most`` as there can be."""
    count = -(-n // most)
    ends = [n * i // count for i in range(count + 1)]
    return [slice(a, b) for a, b in zip(ends, ends[1:])]


def mix(factors, vectors):
    """Σ_k f_k · v_k for each tuple of factors: (sets, terms), (terms, n) → (sets, n)."""
    terms, n = len(vectors), len(vectors[0])
    if terms * n <= TILE:
        return product(terms, n, "lines")(factors, vectors)
    most = min(terms, max(16, TILE // n))
    parts = []
    for out in pieces(n, TILE // most):
        sums = []
        for term in pieces(terms, most):
            part = [v[out] for v in vectors[term]]
            function = product(len(part), len(part[0]), "lines", *["onto" for _ in sums])
            sums = [function([f[term] for f in factors], part, *sums)]
        parts += sums
    return [tuple(chain.from_iterable(rows)) for rows in zip(*parts)]


def multiply(x, rows):
    """Σ_k x_pk · row_k for each position p and each row: (positions, terms), (n, terms) → (positions, n).

    The activations are the ones in locals: there are fewer of them than weights. `BLOCK` positions go at a time, so
    that a document of another length needs no other functions.
    """
    terms = len(x[0])
    columns = []
    for block in pieces(len(x), BLOCK):
        if terms * BLOCK <= TILE:
            sums = [blocks(terms)[block.stop - block.start](rows, x[block])]
        else:
            sums = []
            for term in pieces(terms, TILE // BLOCK):
                part = [v[term] for v in x[block]]
                function = product(len(part), len(part[0]), "width", *["onto" for _ in sums])
                sums = [function([row[term] for row in rows], part, *sums)]
        columns += zip(*sums[0])
    return columns


@lru_cache(maxsize=None)  # noqa: UP033
def blocks(terms):
    """What multiplies 0 to `BLOCK` positions, compiled at once: the next document's length may need any."""
    return [None, *(product(n, terms, "width") for n in range(1, BLOCK + 1))]


@written
def combination(terms, width, onto=""):
    """Σ_k f_k · v_k of so many vectors, ``onto`` another one if said."""
    sums = [sum_text((f"f{k} * v{k}_{o}" for k in range(terms)), onto and f"s{o}") for o in range(width)]
    return f"""(factors, vectors, start=None):
    {names("f", terms)} = factors
    {nested("v", terms, width)} = vectors
    {f"{names('s', width)} = start" if onto else "# start is for those that add onto one"}
    return ({one_a_line(sums, 8)}
    )
"""


def combine(factors, vectors):
    """As `mix`, but passes over factors 0, and finds None where all are. Adding 0·v changes no finite sum."""
    sums = combinations(len(vectors[0]), len(vectors))
    used = [tuple(filter(None, row)) for row in factors]
    return [sums[len(u)](u, compress(vectors, row)) for u, row in zip(used, factors)]


@lru_cache(maxsize=None)  # noqa: UP033
def combinations(width, most):
    """Functions that add so many products: by their number, 0 to ``most``, as any of them may be next."""

    def later(n):
        def first_time(factors, vectors):
            by_count[n] = in_parts(n)
            return by_count[n](factors, vectors)

        return first_time

    def in_parts(n):
        parts = pieces(n, at_once)
        parts = [(p, combination(p.stop - p.start, width, *["onto"][: p.start])) for p in parts]

        def add_parts(factors, vectors):
            vectors, sums = tuple(vectors), None
            for part, function in parts:
                sums = function(factors[part], vectors[part], sums)
            return sums

        return add_parts

    def wide(factors, vectors):
        return mix([factors], tuple(vectors))[0]

    def no_term(factors, vectors):
        return None

    if width > WIDE:
        return [no_term] + [wide] * most
    at_once = min(16, TILE // width)
    by_count = [no_term, *(combination(n, width) for n in range(1, min(at_once, most) + 1))]
    by_count += [later(n) for n in range(len(by_count), most + 1)]
    return by_count


@written
def sum_of_rows(width):
    if width > WIDE:
        return """(a, b):
    return [tuple([x + y for x, y in zip(*rows)]) for rows in zip(a, b)]
"""
    return f"""(a, b):
    return [
        ({one_a_line(f"a{i} + b{i}" for i in range(width))}
        )
        for ({names("a", width)}), ({names("b", width)}) in zip(a, b)
    ]
"""


def add_rows(a, b):
    """a + b, elementwise: (positions, n) both."""
    return sum_of_rows(len(a[0]))(a, b)


def side_by_side(heads):
    """(heads, positions, d) → (positions, heads · d), as tuples, like all rows that are unpacked here."""
    return [tuple(chain.from_iterable(rows)) for rows in zip(*heads)]
