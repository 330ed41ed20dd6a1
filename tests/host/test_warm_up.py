"""Warm-ups: curves of known shapes are told apart, and a run's table says what happened."""

import numpy as np
import pytest

from bench.host.pages import warm_up as pages
from bench.host.results import warm_up

pytest.importorskip("ruptures")
LENGTHS = [4 + step * 7 % 9 for step in range(120)]
STEPS = np.arange(120)
SHAPES = {
    "flat": (np.ones(120), "flat", 0),
    "jit": (np.where(STEPS < 30, 4.0, 1.0), "warm-up", 30),
    "two tiers": (np.where(STEPS < 10, 8.0, np.where(STEPS < 40, 2.0, 1.0)), "warm-up", 40),
    "ageing": (np.where(STEPS < 50, 0.6, 1.0), "slowdown", 50),
    "late change": (np.where(STEPS < 110, 1.5, 1.0), "no steady state", None),
    "too small to matter": (np.where(STEPS < 30, 1.02, 1.0), "flat", 0),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("seed", range(3))
def test_shapes(shape, seed):
    level, kind, steps = SHAPES[shape]
    rng = np.random.default_rng(seed)
    work = 0.3 + 0.1 * np.array(LENGTHS)  # of a step by its document's length, in ms
    times = 1e-3 * work * level * np.exp(0.01 * rng.standard_normal((3, 120)))
    curve = warm_up.relative(times, LENGTHS)
    assert np.allclose(curve[60:] if shape != "late change" else [], 1.0, atol=0.1)
    found, start = warm_up._steady_from(curve)
    assert found == kind and (start == steps or abs(start - steps) <= 2), (found, start)


def test_documents_of_one_length():
    assert np.allclose(warm_up.relative(np.full((2, 40), 3.0), [5] * 40), 1.0)


def test_the_curve_as_blocks():
    assert pages.curve(np.array([2.5, 2.0, 1.5, 1.0, 0.7])) == "██▅▁▁"
    assert len(pages.curve(np.ones(500))) == pages.WIDTH


def test_a_runs_table(small_run, bench_command):
    small_run("--from-start", "--engine", "vector_exact", "--steps", "24")
    done = bench_command("warmup", "small")
    assert done.exit_code == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines()]
    assert any(row[:1] == ["vector_exact"] for row in rows) and any(row[:1] == ["reference"] for row in rows)
    assert "steady after" in done.stdout and "▁" in done.stdout


def test_too_few_steps(small_run, bench_command):
    small_run("--from-start", "--engine", "reference")
    done = bench_command("warmup", "small")
    assert done.exit_code == 2 and "measure 20 or more" in done.stderr


def test_an_empty_run_is_refused(small_run, bench_command, tmp_path):
    small_run("--from-start", "--engine", "reference", "--steps", "24")
    for path in (tmp_path / "results" / "small" / "rounds").iterdir():
        path.unlink()
    done = bench_command("warmup", "small")
    assert done.exit_code == 2 and "no finished round" in done.stderr
