"""Run an entry of the leaderboard with another number of steps, and write its final weights:  leaderboard.py ENTRY.py STEPS FILE.json

The entry is run as it is. What it imports of the leaderboard's own, a clock's times and a check of its weights, is taken here.
"""

import json
import pathlib
import sys
import types

entry, steps, file = sys.argv[1:]


def written(state_dict: dict) -> None:
    """Write the weights, as rows of numbers by matrix."""
    rows = {name: [[x.data for x in row] for row in matrix] for name, matrix in state_dict.items()}
    pathlib.Path(file).write_text(json.dumps(rows), encoding="utf-8")


utils = types.ModuleType("utils")
utils.save_times, utils.assert_weights_match = lambda times: None, written  # type: ignore[attr-defined]
sys.modules["utils"] = utils
source = pathlib.Path(entry).read_text(encoding="utf-8").replace("NUM_STEPS = 1000", f"NUM_STEPS = {steps}")
exec(compile(source, entry, "exec"), {"__name__": "__main__", "__file__": str(pathlib.Path(entry).resolve())})
