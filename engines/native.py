"""The limit row: the same ops and the same tape-based autograd as a small C core, called once per op.

A node of the graph is an op over all positions at once, its numbers lie in plain arrays of doubles, and its
derivative is a loop of C. What remains of Python is the GPT itself, a call per op. The core is an
autograd and no training loop: it records what the GPT calls, walks that tape backwards, and knows no model.

Why the bits stay: C's double is Python's float, its exp, log and pow are the ones that math.exp, math.log and
** call, multiplications and additions are not contracted, and every sum runs in the reference's order. Speed
comes from the sums that do not meet: outputs of a row, elements of an update stand side by side in vectors.
The orders, and the reason for each, stand in native/_microgpt_native.c; Adam's g**2 and v**0.5, which are not
g*g and sqrt(v), in native/kernels.h.

Needs the extension module. The project's wheels have it beside this file. In a checkout a C compiler (GCC or Clang) makes
it once: `python native/setup.py build_ext --inplace` (with setuptools); the file that any CPython from 3.10 on builds
serves all of them. `python -m pip install ./native` is for one interpreter. PyPy has no use for it.
"""

import sys
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from pathlib import Path

from bench.workload.engine import Engine, Parity

NAME = "_microgpt_native"
HERE = Path(__file__).resolve().parent
BUILT = [str(HERE.parent / "native"), str(HERE)]  # in a checkout; by a wheel
HOW = "run `python -m pip install ./native` with this interpreter in a checkout of microgpt-bench (needs a C compiler)"


def find_core():
    """The extension module and None, or None and the one line that says why there is none.

    An installed one first, then what was built in place or came in a wheel.
    """
    if sys.implementation.name != "cpython":
        return None, f"its extension module is for CPython, this is {sys.implementation.name}: use a CPython"
    if sys.modules.get(NAME):
        return sys.modules[NAME], None
    spec = PathFinder.find_spec(NAME) or PathFinder.find_spec(NAME, BUILT)
    # a free-threaded build's objects look different from those that the stable interface's files know
    if spec is None or spec.loader is None or ("t" in sys.abiflags and ".abi3." in str(spec.origin)):
        return None, f"its extension module {NAME} is not built: {HOW}"
    try:
        core = module_from_spec(spec)
        spec.loader.exec_module(core)
    except ImportError as error:
        reason = " ".join(str(error).split())
        return None, f"{spec.origin} does not load ({reason}): {HOW}"
    if not hasattr(core.Adam, "load"):
        return None, f"{spec.origin} is of an older version: {HOW}"
    sys.modules[NAME] = core
    return core, None


core, unavailable = find_core()


def op(name):
    """The core's function; where there is no core, one that says so."""
    if core is not None:
        return getattr(core, name)

    def missing(*arguments):
        raise ImportError(unavailable)

    return missing


ENGINE = Engine(
    name="native",
    summary="a C core: the same autograd over rows of doubles",
    parent="reference",
    change="ops over all positions on a tape, in C",
    parity=Parity.BIT_IDENTICAL,
    batched=True,
    unavailable=unavailable,
    embedding=op("embedding"),
    add=op("add"),
    linear=op("linear"),
    rmsnorm=op("rmsnorm"),
    relu=op("relu"),
    attention=op("attention"),
    cross_entropy=op("cross_entropy"),
    mean=op("mean"),
    probabilities=op("probabilities"),
    backward=op("backward"),
    reset=op("reset"),
    count_nodes=op("count_nodes"),
    matrix=op("matrix"),
    read_values=op("read_values"),
    read_gradients=op("read_gradients"),
    optimizer=op("Adam"),
)
