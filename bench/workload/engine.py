"""The engine contract: what the fixed GPT asks of an engine, and the scalar definition of every op.

An engine is one file in ``engines/`` (or a user's own) that ends in one literal, ``ENGINE = Engine(...)``.
The GPT calls the ops by name and never asks which engine it has. Every op that an engine leaves out
has the definition below: plain arithmetic on the engine's own ``Value`` objects, in microgpt.py's exact
order, so that an engine that changes one thing spells only that thing.

Shapes are written for one position. A *batched* engine takes a whole sequence of positions at once:
where the tables below say ``(n,)`` its ops take and give ``(positions, n)`` in whatever form it likes.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import difflib
import enum
import math
import types
from functools import partial
from typing import Any, Callable, ContextManager, Dict, Iterator, List, Optional, Sequence

from bench.workload.adam import Adam

Matrix = Any  # a weight matrix (n_out, n_in) in the engine's own form
Vector = Any  # activations (n,) in the engine's own form; (positions, n) for a batched engine
Scalar = Any  # one number in the engine's own form; one per position for a batched engine


LOSS_TOLERANCE = 1e-12  # nats, absolute: the largest difference of a loss that is rounding; parity.py says why


class Parity(enum.Enum):
    """What an engine promises about its losses, compared with the reference's at every step."""

    BIT_IDENTICAL = "bit-identical"
    ROUNDING = "rounding"


# --------------------------------------------------------------------- the ops, spelled with Value arithmetic


def embedding(w: Matrix, index: int) -> Vector:
    """Row ``index`` of ``w: (rows, n)``, as (n,). The row's gradient accumulates into ``w``."""
    return w[index]


def add(a: Vector, b: Vector) -> Vector:
    """Elementwise a + b: (n,), (n,) → (n,)."""
    return [ai + bi for ai, bi in zip(a, b)]


def linear(x: Vector, w: Matrix) -> Vector:
    """Matrix times vector: x (n_in,), w (n_out, n_in) → (n_out,). Each sum runs left to right from int 0."""
    return [sum(wi * xi for wi, xi in zip(wo, x)) for wo in w]


def rmsnorm(x: Vector) -> Vector:
    """x / sqrt(mean(x²) + 1e-5): (n,) → (n,). Zhang and Sennrich 2019, without a learned gain."""
    ms = sum(xi * xi for xi in x) / len(x)
    scale = (ms + 1e-5) ** -0.5
    return [xi * scale for xi in x]


def relu(x: Vector) -> Vector:
    """Elementwise max(0, x): (n,) → (n,). As by Python's max(0, x), NaN becomes 0; the gradient passes where x > 0."""
    return [xi.relu() for xi in x]


def softmax(logits: Vector) -> Vector:
    """exp(x − max x) / Σ exp(x − max x): (n,) → (n,). The maximum is a constant: no gradient flows through it."""
    max_val = max(val.data for val in logits)
    exps = [(val - max_val).exp() for val in logits]
    total = sum(exps)
    return [e / total for e in exps]


def attention(
    q: Vector,
    keys: Sequence[Vector],
    values: Sequence[Vector],
    n_head: int,
    *,
    softmax: Callable[[Vector], Vector] = softmax,
) -> Vector:
    """Causal multi-head attention of one position over the cache so far, that position's own entry included.

    q (n,), keys (t, n), values (t, n) → (n,); head h owns the columns h·n/n_head up to (h+1)·n/n_head.
    """
    head_dim = len(q) // n_head
    x_attn = []
    for h in range(n_head):
        hs = h * head_dim
        q_h = q[hs : hs + head_dim]
        k_h = [ki[hs : hs + head_dim] for ki in keys]
        v_h = [vi[hs : hs + head_dim] for vi in values]
        attn_logits = [sum(q_h[j] * k_h[t][j] for j in range(head_dim)) / head_dim**0.5 for t in range(len(k_h))]
        attn_weights = softmax(attn_logits)
        x_attn.extend([sum(attn_weights[t] * v_h[t][j] for t in range(len(v_h))) for j in range(head_dim)])
    return x_attn


def cross_entropy(logits: Vector, target: int, *, softmax: Callable[[Vector], Vector] = softmax) -> Scalar:
    """−log softmax(logits)[target], in nats: (vocab,), int → scalar."""
    return -softmax(logits)[target].log()


def mean(losses: Sequence[Scalar]) -> Scalar:
    """(1/n) · Σ losses, the sum left to right: n scalars → scalar. A batched engine gets one entry for all positions."""
    return (1 / len(losses)) * sum(losses)


def backward(loss: Scalar) -> None:
    """Add d loss / d parameter to every parameter's ``grad``."""
    loss.backward()


def reset() -> None:
    """Forget everything but the parameters: called after each step and each sample. Tapes and arenas need it."""


def probabilities(logits: Vector, temperature: float, *, softmax: Callable[[Vector], Vector] = softmax) -> List[float]:
    """softmax(logits / temperature) as plain floats: (vocab,) → vocab floats, for sampling."""
    return [p.data for p in softmax([logit / temperature for logit in logits])]


@contextlib.contextmanager
def without_tape(module: Dict[str, Any]) -> Iterator[None]:
    """For an engine whose ops append to a list ``TAPE`` of their module: in this context they append to nothing."""
    tape = module["TAPE"]
    module["TAPE"] = collections.deque(maxlen=0)
    try:
        yield
    finally:
        module["TAPE"] = tape


def count_nodes(loss: Scalar) -> int:
    """Nodes that ``backward(loss)`` visits, leaves included: everything reachable along ``_children``."""
    seen, stack = {id(loss)}, [loss]
    while stack:
        for child in stack.pop()._children:
            if id(child) not in seen:
                seen.add(id(child))
                stack.append(child)
    return len(seen)


def read_values(matrix: Matrix) -> List[List[float]]:
    """The matrix's numbers as (n_out, n_in) floats."""
    return [[float(p.data) for p in row] for row in matrix]


def read_gradients(matrix: Matrix) -> List[List[float]]:
    """The matrix's accumulated gradients as (n_out, n_in) floats."""
    return [[float(p.grad) for p in row] for row in matrix]


def _of_values(rows: List[List[float]]) -> Matrix:
    """Stands for the default, rows of the engine's own Values, which the Engine fills in."""
    raise NotImplementedError


# --------------------------------------------------------------------- the contract


@dataclasses.dataclass(frozen=True)
class Engine:
    """One way of writing the autograd core, and how it does the fixed GPT's ops.

    ``name`` is the file's name, the command line's word and the table's row. ``parent`` is the engine
    that this one is a copy of, but for ``change``. ``parity`` is a promise: what a run reports is what the
    run found, and a broken promise fails it. ``unavailable`` says why the engine cannot run in this
    interpreter and how to get what it lacks (None: it can). ``collector`` "off": it wants to be measured without the
    cyclic garbage collector, and the tables say so; an engine that switches it off by itself is not measured.
    """

    name: str
    summary: str
    parent: Optional[str]
    change: str
    parity: Parity
    value: Optional[Callable[[float], Any]] = None
    batched: bool = False
    unavailable: Optional[str] = None
    collector: str = "on"

    # the ops of the forward pass
    embedding: Callable[[Matrix, Any], Vector] = embedding
    add: Callable[[Vector, Vector], Vector] = add
    linear: Callable[[Vector, Matrix], Vector] = linear
    rmsnorm: Callable[[Vector], Vector] = rmsnorm
    relu: Callable[[Vector], Vector] = relu
    softmax: Callable[[Vector], Vector] = softmax
    attention: Callable[[Vector, Sequence[Vector], Sequence[Vector], int], Vector] = attention
    cross_entropy: Callable[[Vector, Any], Scalar] = cross_entropy
    mean: Callable[[Sequence[Scalar]], Scalar] = mean
    probabilities: Callable[[Vector, float], List[float]] = probabilities

    # the backward pass and the graph's life
    backward: Callable[[Scalar], None] = backward
    reset: Callable[[], None] = reset
    count_nodes: Callable[[Scalar], int] = count_nodes
    # the context in which samples are drawn: an engine that can keeps nothing there that only backward would need
    no_graph: Callable[[], ContextManager[Any]] = contextlib.nullcontext

    # the weights and the optimizer
    matrix: Callable[[List[List[float]]], Matrix] = _of_values
    read_values: Callable[[Matrix], List[List[float]]] = read_values
    read_gradients: Callable[[Matrix], List[List[float]]] = read_gradients
    optimizer: Callable[..., Any] = Adam  # what it must do stands there

    def __post_init__(self) -> None:
        """Fill the definitions that depend on other ops: all softmax is the engine's own, all leaves its Values.

        What was filled in another engine, and came here by dataclasses.replace, is filled anew.
        """
        if self.collector not in ("on", "off"):
            raise TypeError(f"engine {self.name!r} says collector={self.collector!r}: write 'on' or 'off'")
        fill = partial(object.__setattr__, self)
        for op in (attention, cross_entropy, probabilities):
            implementation = getattr(self, op.__name__)
            if implementation is op or _filled(implementation):
                fill(op.__name__, op if self.softmax is softmax else _mark(partial(op, softmax=self.softmax)))
        if self.matrix is _of_values or _filled(self.matrix):
            if self.value is None:
                raise TypeError(f"engine {self.name!r} gives neither value= nor matrix=: one of them makes its weights")
            value = self.value
            fill("matrix", _mark(lambda rows: [[value(x) for x in row] for row in rows]))

    def variant(self, name: str, change: str, **ops: Any) -> Engine:
        """An engine that is this one but for the ops given, by name: ``linear=mine``, ``value=Mine``.

        What the contract fills in from a changed op is filled anew. Promised parity and all else are this engine's unless
        given: ``parity``, ``summary`` (else the change), ``unavailable``, ``collector``. Raises TypeError for a name that is
        no op, for what cannot be called, and where ops of this engine's own would go on without the changed one.
        """
        problem = _misfit(self, ops)
        if problem:
            raise TypeError(f"variant {name!r} of {self.name}: {problem}")
        return dataclasses.replace(
            self, **{"name": name, "parent": self.name, "change": change, "summary": change, **ops}
        )


# ops that a variant may change, and what else may be said of one
OPS = tuple(field.name for field in dataclasses.fields(Engine) if "Callable" in str(field.type))
WORDS = ("summary", "parity", "unavailable", "collector")
# spelled in Value arithmetic where an engine leaves them out
SPELLED = ("add", "linear", "rmsnorm", "relu", "softmax", "attention", "cross_entropy", "mean", "probabilities")
# what may stand on an op: an engine that spells one of these itself knows nothing of another one's
STAND_ON = {
    "softmax": ("attention", "cross_entropy", "probabilities"),
    "value": ("embedding", *SPELLED, "backward", "reset", "count_nodes", "no_graph", "matrix"),
}


def _misfit(engine: Engine, ops: Dict[str, Any]) -> str:
    """Why an engine cannot be made of this one by changing these ops; "" where it can."""
    defaults = {field.name: field.default for field in dataclasses.fields(Engine)}
    for op, given in ops.items():
        if op in WORDS:
            continue
        if op not in OPS:
            near = difflib.get_close_matches(op, (*OPS, *WORDS), n=1)
            hint = f" (did you mean {near[0]}?)" if near else ""
            return f"there is no op {op!r}{hint}; ops: {', '.join(OPS)}; what describes it: {', '.join(WORDS)}"
        if not callable(given):
            return f"{op}={given!r} cannot be called: give a function or a class"
        if engine.value is None and op == "value":
            return f"{engine.name} has no Values that others could replace: change its ops"
        if engine.value is None and op in SPELLED and given is defaults[op]:
            return f"the contract's {op} computes with Values, and {engine.name} has none: give one for its activations"
        deaf = [other for other in STAND_ON.get(op, ()) if other not in ops and _own(engine, other, op)]
        if deaf:
            listed = ", ".join(f"{other}=" for other in deaf)
            return f"{engine.name} spells {', '.join(deaf)} itself, without this {op}: give {listed} too, its own where they fit"
    return ""


def _own(engine: Engine, op: str, changed: str) -> bool:
    """Whether an engine spells an op itself, in a way that may not know of the other, changed one."""
    implementation = getattr(engine, op)
    beside = getattr(engine.value, "__module__", None)
    if changed == "value" and isinstance(implementation, types.FunctionType) and implementation.__module__ != beside:
        return False  # not written beside the Values, so in what any Values can do
    return not _filled(implementation) and all(
        field.default is not implementation for field in dataclasses.fields(Engine)
    )


def _mark(op: Any) -> Any:
    """The same op, told from one that an engine gives."""
    op.filled = True
    return op


def _filled(op: Any) -> bool:
    return getattr(op, "filled", False) is True


class Plain:
    """A number that computes as microgpt.py's Value does, bit for bit, and remembers nothing."""

    __slots__ = ("data",)

    def __init__(self, data: float) -> None:
        self.data = data

    def __add__(self, other: Any) -> Plain:
        return Plain(self.data + (other.data if isinstance(other, Plain) else other))

    def __mul__(self, other: Any) -> Plain:
        return Plain(self.data * (other.data if isinstance(other, Plain) else other))

    def __pow__(self, power: float) -> Plain:
        return Plain(self.data**power)

    def __truediv__(self, other: Any) -> Any:
        return self * other**-1

    def __sub__(self, other: Any) -> Any:
        return self + (-other)

    def __neg__(self) -> Plain:
        return self * -1

    __radd__ = __add__
    __rmul__ = __mul__

    def exp(self) -> Plain:
        """e to this."""
        return Plain(math.exp(self.data))

    def log(self) -> Plain:
        """The natural logarithm."""
        return Plain(math.log(self.data))

    def relu(self) -> Plain:
        """max(0, this)."""
        return Plain(max(0, self.data))


# what is evaluated on when there is nothing to train: no engine to measure, and none of engines.NAMES
PLAIN = Engine("plain", "plain floats, no graph", None, "", Parity.BIT_IDENTICAL, value=Plain)


def loss_of(loss: Scalar) -> float:
    """The loss as a plain float, in nats per token; math.nan where the engine lost it."""
    return float(loss.data) if loss is not None else math.nan
