"""Runs the wrong engines of a kind, through the command line, and says what came out of each.

A kind is a folder of engine files. All of a kind go into one run, as a run starts a worker for each of its engines.
"""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import re
import subprocess
import sys
import time
import uuid

import psutil

from tests.proof.attack.expected import BUILT_IN, KINDS, Expected

HERE = pathlib.Path(__file__).parent
DOCUMENTS = "ab\na\ncabbage\nbead\ndecade\nb\n"
SMALL = ["--n-embd", "8", "--n-head", "2", "--block-size", "6", "--steps", "3"]
PAID = 1.35  # times the speed of the reference, whose work every cheat pretends to do: more than noise makes of it
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a run said of an engine: as ``results`` keeps it, and as the table shows it."""

    status: str
    reason: str
    parity: str
    speed: float | None  # None where the table gives no number
    notes: str  # the engine's row, and what stands around the table and names it
    good: bool  # no promise was broken in this row


@dataclasses.dataclass(frozen=True)
class Attacked:
    """A kind's run: ``left`` are the command lines of processes that outlived it, ``files`` what stayed in its
    temporary folder."""

    exit_status: int
    errors: str
    outcomes: dict[str, Outcome]
    left: list[str]
    files: list[str]


def run(kind: str, folder: pathlib.Path) -> Attacked:
    """Measure all engines of a kind against the reference; ``folder`` is an empty one."""
    engines = [name if name in BUILT_IN else str(HERE / kind / f"{name}.py") for name in KINDS[kind].engines]
    temporary, documents = folder / "temporary", folder / "documents.txt"
    temporary.mkdir()
    documents.write_text(DOCUMENTS)
    errors, mark = folder / "errors.txt", uuid.uuid4().hex
    command = [sys.executable, "-m", "bench", "run", "--python", sys.executable, "--data", str(documents), *SMALL]
    command += ["--format", "json", "--name", "attack", *KINDS[kind].options]
    command += [word for engine in engines for word in ("--engine", engine)]
    environment = {**os.environ, "TMPDIR": str(temporary), "ATTACK": mark}
    with errors.open("wb") as sink:  # not a pipe: who outlives the run would hold it open
        done = subprocess.run(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=sink
        )
    said = errors.read_text(errors="replace")
    time.sleep(0.2)  # an ended process takes a moment to go
    left = end_all(mark)
    if not (folder / "results" / "attack" / "rounds").is_dir():
        return Attacked(done.returncode, said, {}, left, [])
    outcomes = read(folder / "results" / "attack", json.loads(done.stdout))
    return Attacked(done.returncode, said, outcomes, left, sorted(path.name for path in temporary.iterdir()))


def end_all(mark: str) -> list[str]:
    """End the processes that have the run's mark in their environment, each by its id; their command lines."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("ATTACK") == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(" ".join(process.cmdline()))
                process.kill()
        except psutil.Error:
            continue
    return found


def read(folder: pathlib.Path, shown: dict) -> dict[str, Outcome]:
    """Every engine's outcome, from the run's files and from what the command printed."""
    record = json.loads((folder / "run.json").read_text())
    rounds = [json.loads(path.read_text()) for path in sorted((folder / "rounds").glob("*.json"))]
    table = shown["tables"][0]
    around = [*shown["preamble"], *table["above"], *table["below"]]
    outcomes = {}
    for name, about in record["engines"].items():
        cells = [cell for entry in rounds for key, cell in entry["cells"].items() if key.rpartition("@")[0] == name]
        bad = next((cell for cell in cells if cell["status"] != "ok"), cells[0])
        findings = [cell["finding"]["parity"] for cell in cells if cell["finding"]]
        order = ["bit-identical", "rounding", "DIVERGED"]
        parity = max(findings, key=order.index, default="")
        row = next(row for row in table["rows"] if re.match(rf"{re.escape(name)}\b", row[0]))
        number = re.match(r"[\d,.]+", dict(zip(table["headers"], row)).get("speed", ""))
        outcomes[name] = Outcome(
            bad["status"],
            bad["reason"],
            parity,
            float(number[0].replace(",", "")) if number else None,
            "\n".join([" | ".join(row), *(line for line in around if re.search(rf"\b{re.escape(name)}\b", line))]),
            not parity or order.index(parity) <= order.index(about["parity"]),
        )
    return outcomes


def check(expected: Expected, got: Outcome) -> str:
    """What is wrong with this outcome, "" where it is as expected."""
    flagged = re.search("wall|clock|children|collector|off processor time", got.notes)
    outcome = got.status
    if outcome == "ok":
        outcome = "broken promise" if not got.good else "flagged" if flagged else "honest"
    if CONTROL.search(got.reason) or len(got.reason) > 2_000:
        return f"its reason is not one short line of plain text: {got.reason[:100]!r}"
    if expected.outcome == "unpaid":
        if outcome == "honest" and got.speed is not None and got.speed > PAID:
            return f"it was believed: {got.speed} times the speed of the reference"
    elif outcome not in expected.outcome.split(" or "):
        return f"{outcome} instead of {expected.outcome}: {got.reason} {got.notes}"
    text = got.reason if got.status != "ok" else got.notes
    if not re.search(expected.words, text):
        return f"no {expected.words!r} in {text!r}"
    return ""
