"""The list of runs over time, and the places where a ratio changed."""

import dataclasses
import datetime
import json
import pathlib

import numpy as np
import pytest

from bench.host.results import store
from bench.host.stats.change_points import change_points
from bench.host.stats.paired import Ratio

ROOT = pathlib.Path(__file__).resolve().parents[2]
pytest.importorskip("ruptures", reason="needs the extra report: python -m pip install -e '.[report]'")


@pytest.fixture(scope="module")
def committed():
    """One with intervals of a few percent, which a change of 30 % is told from."""
    return store.load(ROOT / "results" / "agreement" / "aged")


def copies(committed, folder, slower, engine="combined", noise=0.01, **machine):
    """Runs on disk like the committed one, a day apart, in which the engine takes ``slower[i]`` times as long."""
    rng, day = np.random.default_rng(3), datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    runtime = "cpython-3.14"
    for number, factor in enumerate(slower):
        record = dataclasses.replace(
            committed.record,
            created=(day + datetime.timedelta(days=number)).isoformat(),
            runtimes={runtime: committed.record.runtimes[runtime]},
            engines={name: committed.record.engines[name] for name in ("reference", engine)},
            machine={**committed.record.machine, **machine},
        )
        run = store.create(folder / f"day{number:02d}", record)
        for entry in committed.rounds:
            cells = {
                name: cell
                for name, cell in entry.cells.items()
                if name in (f"reference@{runtime}", f"{engine}@{runtime}")
            }
            cell, scale = cells[f"{engine}@{runtime}"], factor * float(np.exp(rng.normal(0, noise)))
            cells[f"{engine}@{runtime}"] = dataclasses.replace(
                cell,
                nanoseconds=[time * scale for time in cell.nanoseconds],
                cpu_nanoseconds=[time * scale for time in cell.cpu_nanoseconds],
            )
            store.add_round(run, dataclasses.replace(entry, cells=cells))


def test_runs_of_the_repository(bench_command):
    done = bench_command("history", "--results", ROOT / "results")
    assert done.exit_code == 0, done.output
    rows = [line for line in done.stdout.splitlines() if line.startswith(("default ", "gc-off "))]
    assert len(rows) == 2 and all("agree" in row for row in rows)
    assert "3.10 3.11" in "".join(rows) and "gc off" in "".join(rows)
    assert "scale" not in done.stdout.split()  # holds no run of engines over one workload


def test_a_change_is_found_where_it_is(bench_command, committed):
    copies(committed, pathlib.Path("results"), [1] * 6 + [1.3] * 6)
    done = bench_command("history", "--plot", "plot.svg", "--ratio", "combined", "--ratio", "reference/combined")
    assert done.exit_code == 0, done.output
    found = [line for line in done.stdout.splitlines() if " changed at " in line]
    assert len(found) == 2 and "combined on cpython-3.14 changed at day06" in found[0]
    before, after = (float(word) for word in found[0].split() if word.replace(".", "").isdigit())
    assert before / after == pytest.approx(1.3, rel=0.02)
    picture = pathlib.Path("plot.svg").read_text()
    assert picture.startswith("<svg") and picture.count("→") >= 2
    assert "speedup: combined" in picture and "speedup: reference/combined" in picture  # each on its own scale


def test_no_change_and_too_few_runs_show_none(bench_command, committed):
    copies(committed, pathlib.Path("results"), [1] * 12)
    assert " changed at " not in bench_command("history", "--ratio", "combined").stdout
    copies(committed, pathlib.Path("few"), [1, 1, 2])
    assert " changed at " not in bench_command("history", "--results", "few").stdout


def test_machines_are_not_mixed(bench_command, committed):
    copies(committed, pathlib.Path("results"), [1] * 4)
    copies(committed, pathlib.Path("other"), [1.5] * 4, identity="another")
    for folder in pathlib.Path("other").iterdir():
        folder.rename(pathlib.Path("results") / f"other-{folder.name}")
    assert " changed at " not in bench_command("history", "--ratio", "combined").stdout


def test_simulated_histories():
    """With a noise of 2 % a run: at most 5 % of unchanged histories show a change, and nine of ten changes are found."""
    rng, found, false = np.random.default_rng(11), 0, 0
    for _ in range(300):
        noise = rng.normal(0, 0.02, 12)
        for step in (0.0, 0.1):
            values = np.exp(noise + np.where(np.arange(12) < 6, 0, step))
            changes = change_points([Ratio(value, value * 0.96, value * 1.04, 5) for value in values])
            if step:
                found += any(abs(at - 6) <= 1 for at in changes)
            else:
                false += bool(changes)
    assert false <= 15 and found >= 270


def test_a_ratio_of_two_engines_on_a_runtime(bench_command):
    done = bench_command("history", "--results", ROOT / "results", "--ratio", "fused_dot/tape", "--python", "3.12",
        "--format", "json")  # fmt: skip
    table = json.loads(done.stdout)
    assert table["headers"][-1] == "fused_dot/tape" and " on 3.12, " in table["above"][0]
    ratios = {row[0]: float(row[-1].partition("±")[0]) for row in table["rows"] if row[-1] != "–"}
    assert 2 < ratios["default"] < 8


def test_damaged_runs_are_named(bench_command, committed):
    copies(committed, pathlib.Path("results"), [1, 1])
    pathlib.Path("results/day01/run.json").write_text("{")
    done = bench_command("history")
    assert (
        done.exit_code == 0 and "not read: results/day01/run.json is damaged" in done.stdout and "day00" in done.stdout
    )


@pytest.mark.parametrize(
    "options, words",
    [
        ([], "no run in results yet"),
        (["--results", str(ROOT / "results"), "--plot", "plot.gif"], "end the name with .svg, .png, .html"),
        (["--results", str(ROOT / "results"), "--plot", "nowhere/plot.svg"], "not a folder"),
        (["--results", str(ROOT / "results"), "--ratio", "tape/"], "is not ENGINE or ENGINE/BASE"),
        (
            ["--results", str(ROOT / "results"), "--ratio", "nothing", "--plot", "p.svg"],
            "no run has an engine 'nothing'",
        ),
    ],
)
def test_bad_input(bench_command, options, words):
    done = bench_command("history", *options)
    assert done.exit_code == 2 and words in done.stderr and done.stderr.count("\n") == 1
    assert not pathlib.Path("plot.gif").exists()
