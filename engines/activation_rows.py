"""Activations (positions, n) as rows of floats: what the four engines whose nodes are whole activations ask of them."""

from itertools import chain


def shape(x):
    """Positions and numbers at each, of a node's data."""
    return len(x.data), len(x.data[0])


def indices(index, limit):
    """One index or a sequence of them as a list. Raises IndexError outside 0 … limit − 1."""
    index = [index] if isinstance(index, int) else list(index)
    if min(index) < 0 or max(index) >= limit:
        raise IndexError(f"an index in {index} is outside 0 to {limit - 1}")
    return index


def targets_of(target, logits):
    """The targets as a list, one a position. Raises IndexError and ValueError."""
    target = indices(target, len(logits.data[0]))
    if len(target) != len(logits.data):
        raise ValueError(f"{len(target)} targets for {len(logits.data)} positions: give one each")
    return target


def check_sum(a, b):
    """Raises ValueError where the two nodes' shapes are not the same."""
    if len(a.data) != len(b.data) or len(a.data[0]) != len(b.data[0]):
        raise ValueError(f"cannot add the shapes {shape(a)} and {shape(b)}")


def entries(q, keys, values, n_head):
    """The rows of all keys and of all values, and how many positions came before the queries'. Raises ValueError."""
    n = len(q.data[0])
    k_rows = list(chain.from_iterable(k.data for k in keys))
    v_rows = list(chain.from_iterable(v.data for v in values))
    past = len(k_rows) - len(q.data)
    if n_head < 1 or n % n_head or len(k_rows) != len(v_rows) or past < 0 or {*map(len, k_rows + v_rows)} != {n}:
        raise ValueError(
            f"queries {shape(q)}, keys {[*map(shape, keys)]} and values {[*map(shape, values)]}"
            f" do not fit together and {n_head} heads"
        )
    return k_rows, v_rows, past


def by_entry(entries, rows):
    """Each entry of a cache with its own positions' share of the rows."""
    start = 0
    for entry in entries:
        stop = start + len(entry.data)
        yield entry, rows[start:stop]
        start = stop


def spread(row, numbers):
    """The numbers in the places where row is not 0, zeros elsewhere."""
    numbers = iter(numbers)
    return [next(numbers) if x else 0.0 for x in row]


def count_reached(tape, loss):
    """Operations and matrices that the loss depends on, of a tape of (chain rule, output, what it knows)."""
    reached = {loss}
    for _, output, known in reversed(tape):
        if output in reached:
            for item in known:
                reached.update(part for part in (item if isinstance(item, tuple) else (item,)) if hasattr(part, "grad"))
    return len(reached)
