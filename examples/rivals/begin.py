"""Lay out a start file as two plain ones, and become the program that reads them:  begin.py [--ORDER] START PROGRAM ...

In the current folder: input.txt has the documents in the order of the steps, weights.txt the weights, a number a line, row by
row, matrix by matrix: as microgpt.py makes them (wte, wpe, lm_head, then the layers), or in the order of the program's own
matrices: --layers-first the layers before the others, --head-last lm_head at the end, --woven as microgpt.py, but a number of
each of the attention's four matrices in turn.
"""

import os
import sys


def main(words: list[str]) -> None:
    """Write the two files, and run the program in place of this one."""
    order = words.pop(0) if words[0].startswith("--") else ""
    with open(words[0], encoding="utf-8") as file:
        lines = iter(file.read().split("\n")[6:])
    documents = [next(lines) for _ in range(int(next(lines).split()[1]))]
    weights = {}
    while header := next(lines):
        name, rows, _ = header.split()
        weights[name] = "\n".join(next(lines).replace(" ", "\n") for _ in range(int(rows)))
    around = ["wte", "wpe", "lm_head"]
    layers = [name for name in weights if name not in around]
    if order == "--woven":
        attention = [name for name in layers if name.partition(".")[2].startswith("w")]
        woven = "\n".join("\n".join(numbers) for numbers in zip(*(weights.pop(name).split("\n") for name in attention)))
        weights = {**{name: weights.pop(name) for name in around}, "attention": woven, **weights}
    names = {"--layers-first": [*layers, *around], "--head-last": ["wte", "wpe", *layers, "lm_head"]}
    for path, parts in (("input.txt", documents), ("weights.txt", [weights[n] for n in names.get(order, weights)])):
        with open(path, "w", encoding="utf-8") as file:
            file.write("\n".join(parts) + "\n")
    os.execvp(words[1], words[1:])


main(sys.argv[1:])
