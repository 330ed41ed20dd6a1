"""Writing Python from Python: the text of a function for each shape that is met, compiled once and kept.

What `compiled` and `compiled_unordered` write their sums and rows with. Numbers of a vector become local variables with
names of a letter and an index, a sum one expression over them.
"""

from functools import lru_cache


def writer(generated, **known):
    """Decorates a function that writes a text for a shape: it gives the function for the shape, compiled once.

    ``generated`` gets the texts, by the functions' names; ``known`` is what they may call.
    """

    def decorate(write):
        @lru_cache(maxsize=None)  # noqa: UP033 - functools.cache is this one behind another call
        def function_for(*shape):
            name = "_".join(map(str, (write.__name__, *shape)))
            text = f"def {name}{write(*shape)}"
            names = dict(known)
            exec(compile(text, f"<generated {name}>", "exec"), names)
            generated[name] = text
            return names[name]

        return function_for

    return decorate


def text_of(name, generated):
    """One of the texts. Raises KeyError, with the names there are."""
    if name not in generated:
        raise KeyError(f"nothing generated is called {name!r}; so far there are: {', '.join(generated) or 'none'}")
    return generated[name]


def names(letter, n):
    """x0, x1, …: the numbers of a vector. A single one has a comma, so that it is a tuple too."""
    return ", ".join(f"{letter}{i}" for i in range(n)) + "," * (n == 1)


def nested(letter, rows, n):
    """((v0_0, v0_1, …), (v1_0, …), …): the numbers of a matrix, a row to a line."""
    lines = (f"({names(f'{letter}{r}_', n)})" for r in range(rows))
    return f"({one_a_line(lines, 8)}\n    )"


def one_a_line(expressions, indent=12):
    """Expressions as the entries of a tuple, a line each."""
    return "".join(f"\n{' ' * indent}{e}," for e in expressions)


def sum_text(terms, start=""):
    """start + the first term + the second …"""
    return " + ".join([start, *terms] if start else terms)
