"""What action.yml runs: `microgpt-bench check` with the action's inputs, then the report of its run.

An input comes as an environment variable and goes on as one argument, as it is: no shell ever reads it.
"""

from __future__ import annotations

import contextlib
import glob
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile
import traceback

ROOT = pathlib.Path(__file__).resolve().parents[1]
# -I: what is in the caller's repository, or on a PYTHONPATH of the workflow's, is not to be imported in place of ours
COMMAND = [sys.executable, "-I", str(ROOT / "microgpt_bench.py")]
VERDICTS = {0: "pass", 1: "fail", 3: "undecided"}  # any other exit status is an "error"
ENGINE = re.compile(rb"\bENGINE\b")  # what makes a file one of an engine
INTERNAL = 70  # of microgpt-bench where the fault is its own


class BadInput(Exception):
    """An input that can't be used; the message says why."""


def main() -> int:
    """Run the gate, write the outputs of the step, and give the gate's exit status."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="microgpt-bench-gate-", dir=os.environ.get("RUNNER_TEMP")))
    junit, answer, report = folder / "gate.xml", folder / "gate.json", folder / "report.html"
    results = [f"--results={folder / 'results'}"]
    try:
        arguments = options()
    except BadInput as error:
        status = say(str(error))
    else:
        files = [f"--junit-xml={junit}", f"--json={answer}", "--name=gate"]
        status = subprocess.run([*COMMAND, "check", *arguments, *results, *files]).returncode
    if answer.exists():
        # its own status says whether every cell was good, which the gate has said already
        subprocess.run([*COMMAND, "report", "gate", *results, f"--output={report}"])
    written = {"junit": junit, "json": answer, "report": report}
    outputs = {"status": status, "verdict": VERDICTS.get(status, "error"), "folder": folder}
    write_outputs({**outputs, **{name: path for name, path in written.items() if path.exists()}})
    return status


def say(line: str) -> int:
    """One line about bad input, as the command line says it, also to who looks at the workflow; its exit status."""
    sys.path.insert(0, str(ROOT))
    from bench.cli import ending

    return ending.say(line)


def options() -> list[str]:
    """The inputs as options of `microgpt-bench check`. Raises BadInput."""
    found = [f"--engine={engine}" for line in lines("ENGINES") for engine in matching(line)]
    found += [f"--python={python}" for python in lines("PYTHON")]
    for name in ("AGAINST", "AGAINST_PYTHON", "BASELINE", "BUDGET", "THRESHOLD", "DATA"):
        if value := given(name):
            found.append(f"--{name.lower().replace('_', '-')}={value}")
    strict = given("STRICT") or "false"
    if strict not in ("true", "false"):
        raise BadInput(f"the input strict is {strict!r}: write true or false")
    try:
        return [*found, *(["--strict"] if strict == "true" else []), *shlex.split(given("ARGUMENTS"))]
    except ValueError as error:
        raise BadInput(f"the input arguments is not quoted as in a shell: {error}") from None


def matching(engine: str) -> list[str]:
    """The files that a pattern of engine files names; any other name as it is. Raises BadInput where there are none."""
    if not engine.endswith(".py"):
        return [engine]
    files = sorted(path for path in glob.glob(engine, recursive=True) if pathlib.Path(path).name != "__init__.py")
    if not files:
        raise BadInput(f"the input engines: no file is named {engine!r} in {pathlib.Path.cwd()}")
    if glob.has_magic(engine):  # modules that engines import may stand among them
        files = [path for path in files if ENGINE.search(pathlib.Path(path).read_bytes())]
    if not files:
        raise BadInput(f"the input engines: no file named {engine!r} in {pathlib.Path.cwd()} has an ENGINE")
    return files


def lines(name: str) -> list[str]:
    """The lines of an input that are not blank."""
    return [line.strip() for line in given(name).splitlines() if line.strip()]


def given(name: str) -> str:
    """An input's value, empty where it was not given."""
    return os.environ.get(f"INPUT_{name}", "").strip()


def write_outputs(outputs: dict[str, object]) -> None:
    """Append to the file that a step's outputs are read from, where there is one."""
    if path := os.environ.get("GITHUB_OUTPUT"):
        with open(path, "a", encoding="utf-8") as file:
            file.writelines(f"{name}={value}\n" for name, value in outputs.items())


def guarded() -> int:
    """The exit status of ``main``; a fault in here is one of ours, and no regression that 1 would stand for."""
    try:
        return main()
    except Exception:
        traceback.print_exc()
        with contextlib.suppress(OSError):
            write_outputs({"status": INTERNAL, "verdict": "error"})
        return INTERNAL


if __name__ == "__main__":
    sys.exit(guarded())
