"""Runs the wrong engines of a kind, through the command line, and says what came out of each.

All of a kind go into one run, as a run starts a worker for each of its engines.
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
# none so short that a document drawn at random is likely to be one of them
DOCUMENTS = "abed\nfad\ncabbage\nbeadle\ndecade\ngab\n"
SMALL = ["--n-embd", "8", "--n-head", "2", "--block-size", "6", "--steps", "3"]
PAID = 1.35  # times the speed of the reference, whose work every cheat pretends to do: more than noise makes of it
PASSED = 3  # the same of times on the wall's clock, of a step and of drawing texts
FLAGGED = re.compile(r"\(wall\)|by the wall's clock|takes \d+ times|without the cyclic")
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a run said of an engine: as ``results`` keeps it, and as the table shows it."""

    status: str
    reason: str
    parity: str
    speed: float | None  # over the reference; None where the table gives no number
    passed: float | None  # the same of the time that passed in a step
    drawing: float | None  # and of the samples' time
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
    files = {name: file_of(kind, name) for name in KINDS[kind].engines}
    if not KINDS[kind].alone:
        return measure(list(files.values()), KINDS[kind].options, folder)
    found = Attacked(0, "", {}, [], [])
    for name, file in files.items():
        (folder / name).mkdir()
        one = measure([file], KINDS[kind].options, folder / name)
        named = {name if row == name else f"{row} beside {name}": outcome for row, outcome in one.outcomes.items()}
        found = Attacked(
            max(found.exit_status, one.exit_status),
            f"{found.errors}\n{name}: {one.errors}",
            {**found.outcomes, **named},
            found.left + one.left,
            found.files + one.files,
        )
    return found


def once_more(kind: str, name: str, folder: pathlib.Path) -> Outcome:
    """One engine's outcome in three rounds of its own, to tell a speed it has from what a busy machine made of one."""
    return measure([file_of(kind, name)], [*KINDS[kind].options, "--rounds", "3"], folder).outcomes[name]


def file_of(kind: str, name: str) -> str:
    """What ``--engine`` takes."""
    return name if name in BUILT_IN else str(HERE / (KINDS[kind].folder or kind) / f"{name}.py")


def measure(engines: list[str], options: list[str], folder: pathlib.Path) -> Attacked:
    """One run of engines and the reference, and what it left behind, which is ended and counted."""
    temporary, documents = folder / "temporary", folder / "documents.txt"
    temporary.mkdir()
    documents.write_text(DOCUMENTS)
    errors, mark = folder / "errors.txt", uuid.uuid4().hex
    command = [sys.executable, "-m", "bench", "run", "--python", sys.executable, "--data", str(documents), *SMALL]
    command += ["--format", "json", "--name", "attack", *options]
    command += [word for engine in engines for word in ("--engine", engine)]
    environment = {**os.environ, "TMPDIR": str(temporary), "ATTACK": mark}
    with errors.open("wb") as sink:  # not a pipe: who outlives the run would hold it open
        done = subprocess.run(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=sink
        )
    said = "\n".join(line[:300] for line in errors.read_text(errors="replace").splitlines())[-20_000:]
    time.sleep(0.2)  # an ended process takes a moment to go
    left = end_all(mark)
    if not done.stdout:  # it came to no table
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


def read(folder: pathlib.Path, printed: dict) -> dict[str, Outcome]:
    """Every engine's outcome, from the run's files and from what the command printed."""
    record = json.loads((folder / "run.json").read_text())
    rounds = [json.loads(path.read_text()) for path in sorted((folder / "rounds").glob("*.json"))]
    table = printed["tables"][0]
    around = [*printed["preamble"], *table["above"], *table["below"]]
    reference = dict(zip(table["headers"], next(row for row in table["rows"] if row[0] == "reference")))
    outcomes = {}
    for name, about in record["engines"].items():
        cells = [cell for entry in rounds for key, cell in entry["cells"].items() if key.rpartition("@")[0] == name]
        bad = next((cell for cell in cells if cell["status"] != "ok"), cells[0])
        findings = [cell["finding"]["parity"] for cell in cells if cell["finding"]]
        order = ["bit-identical", "rounding", "DIVERGED"]
        parity = max(findings, key=order.index, default="")
        row = next((row for row in table["rows"] if re.match(rf"{re.escape(name)}\b", row[0])), [])  # skipped: no row
        shown = dict(zip(table["headers"], row))
        outcomes[name] = Outcome(
            bad["status"],
            bad["reason"],
            parity,
            number(shown.get("speedup", "")),
            *(ratio(reference.get(column, ""), shown.get(column, "")) for column in ("ms/step", "samples")),
            "\n".join([" | ".join(row), *(line for line in around if re.search(rf"\b{re.escape(name)}\b", line))]),
            not parity or order.index(parity) <= order.index(about["parity"]),
        )
    return outcomes


def number(text: str) -> float | None:
    """What a cell of the table begins with; None where that is no number."""
    found = re.match(r"[\d,.]+", text)
    return float(found[0].replace(",", "")) if found else None


def ratio(text: str, other: str) -> float | None:
    """How many times the one cell's number is the other's; None where one is none."""
    first, second = number(text), number(other)
    return first / second if first and second else None


def believed(expected: Expected, got: Outcome) -> bool:
    """Whether the table gives a speed, without a word, to an engine that cannot have it."""
    if expected.outcome != "unpaid" or got.status != "ok" or not got.good or FLAGGED.search(got.notes):
        return False
    return (got.speed or 0) > PAID or max(got.passed or 0, got.drawing or 0) > PASSED


def check(expected: Expected, got: Outcome) -> str:
    """What is wrong with this outcome, "" where it is as expected."""
    flagged = FLAGGED.search(got.notes)
    outcome = got.status
    if outcome == "ok":
        outcome = "broken promise" if not got.good else "flagged" if flagged else "honest"
    if CONTROL.search(got.reason) or len(got.reason) > 2_000:
        return f"its reason is not one short line of plain text: {got.reason[:100]!r}"
    if believed(expected, got):
        of_walls = f"{got.passed} times on the wall's clock in a step and {got.drawing} in drawing texts"
        return f"believed: {got.speed} times the speed of the reference, {of_walls}"
    if expected.outcome != "unpaid" and outcome not in expected.outcome.split(" or "):
        return f"{outcome} instead of {expected.outcome}: {got.reason} {got.notes}"
    text = got.reason if got.status != "ok" else got.notes
    if not re.search(expected.words, text):
        return f"no {expected.words!r} in {text!r}"
    return ""
