"""What the page orders of Python, in this CPython: the same code runs in the browser."""

import json
import math
import subprocess
import sys

import numpy as np
import pytest
from scipy import special

from bench import Model
from bench.host.results import parity
from bench.host.stats import paired as host_paired
from tests.web.conftest import PLAIN_LIBRARY, WEB

import golden
import paired
import pictures
import playground

SETTINGS = {"data": "colours", "text": None, "engine": "compiled", "source": "", "steps": 60, "options": {}}


@pytest.fixture
def do(tmp_path):
    """Carry out an order, as the page does."""
    page = playground.Playground(tmp_path)

    def do(what, **order):
        return json.loads(playground.answer(page, json.dumps({**order, "do": what})))

    return do


def test_it_runs_on_the_standard_library_alone():
    code = (
        "import sys; sys.modules.update(dict.fromkeys(['numpy', 'scipy', 'click', 'torch']));"
        f"sys.path[:0] = [{str(WEB / 'python')!r}, {str(WEB.parent)!r}]; import playground"
    )
    subprocess.run([sys.executable, "-S", "-c", code], check=True)


def test_the_paired_ratio_is_robust_and_its_interval_is_students():
    generator = np.random.default_rng(1)
    quiet = np.exp(generator.normal(size=(6, 20)))
    times = quiet / 2 * np.exp(0.01 * generator.normal(size=(6, 20)) + 0.03 * generator.normal(size=(6, 1)))
    expected = host_paired.paired_ratio(quiet, times)
    times[0, 0] *= 50
    found = paired.paired_ratio(quiet.tolist(), times.tolist())
    assert found["value"] == pytest.approx(expected.value, rel=0.01)
    assert [found["low"], found["high"]] == pytest.approx([expected.low, expected.high], rel=0.02)
    assert paired.paired_ratio([[1.0, 2.0]], [[0.5, 1.0]]) == {"value": pytest.approx(2.0), "low": None, "high": None}
    # a clock that ticks too coarsely for a step
    assert paired.paired_ratio([[9.0, 11.0]], [[0.1, 0.0]])["value"] == pytest.approx(200)
    assert math.isfinite(paired.paired_ratio([[9.0, 11.0]], [[0.0, 0.0]])["value"])
    for freedom in range(1, 12):
        assert paired.t_quantile(freedom, 0.975) == pytest.approx(special.stdtrit(freedom, 0.975), rel=1e-9)


def test_the_verdict_is_the_projects_own():
    reference = [3.0, 2.5, 2.25]
    for losses in (
        [3.0, 2.5, 2.25],
        [3.0, 2.5, 2.25 + 4e-16],
        [3.0, 2.6, 2.25],
        [3.0, math.nan, 2.0],
        [3.1, 2.5, 2.25],
    ):
        word, text = paired.verdict([x.hex() for x in reference], [x.hex() for x in losses])
        found = parity.compare_losses(reference, losses)
        assert word == found.parity.value, text
        if found.first_step:
            assert f"step {found.first_step}" in text


def test_the_golden_losses_are_cpythons():
    stored = json.loads((WEB / "golden.json").read_text(encoding="utf-8"))
    assert set(stored["losses"]) == {name for name in golden.engines.NAMES if name not in golden.OTHERS}
    if not PLAIN_LIBRARY:
        pytest.skip("bits are those of glibc on x86-64")
    chosen = ["reference", "compiled"]  # the same bits in every version of CPython
    done = subprocess.run([sys.executable, WEB / "golden.py", *chosen], capture_output=True, text=True, check=True)
    for name, found in json.loads(done.stdout).items():
        assert found == stored["losses"][name][:10], (
            f"{name}: where it rounds otherwise on purpose, run python web/golden.py"
        )


def test_principal_components_are_those_of_the_covariance():
    rows = np.random.default_rng(3).normal(size=(27, 8)) * np.arange(1, 9)
    points, shares = pictures.principal_components(rows.tolist())
    values, axes = np.linalg.eigh(np.cov(rows.T, bias=True))
    assert shares == pytest.approx(list(values[::-1][:2] / values.sum()), rel=1e-6)
    expected = (rows - rows.mean(axis=0)) @ axes[:, ::-1][:, :2]
    assert np.abs(points) == pytest.approx(np.abs(expected), rel=1e-4, abs=1e-4)


def test_training_is_the_models_own(do):
    assert do("start", settings=SETTINGS)["result"]["parameters"] > 4000
    found = [do("step", norms=True, samples_every=7)["result"] for _ in range(15)]
    model = Model(engine="compiled", documents="colours", schedule_steps=60)
    records = model.train(15)
    assert [one["hex"] for one in found] == [record.loss.hex() for record in records]
    assert math.hypot(*found[10]["norms"].values()) == pytest.approx(records[10].gradient_norm)
    assert [len(one.get("samples", [])) for one in found[5:8]] == [0, 3, 0]


def test_a_saved_model_comes_back_and_draws_what_it_drew(do, tmp_path):
    do("start", settings=SETTINGS)
    for _ in range(5):
        do("step")
    drawn = do("generate", temperature=0.7, top_k=5, prefix="da", samples=3, seed=1)["result"]
    (tmp_path / "model.json").write_text(do("save")["result"]["text"], encoding="utf-8")
    about = do("load", name="model.json", settings=SETTINGS)["result"]
    assert about["steps"] == 5 and about["trainable"]
    assert do("generate", temperature=0.7, top_k=5, prefix="da", samples=3, seed=1)["result"] == drawn
    assert all(text.startswith("da") for text in drawn["texts"])


@pytest.mark.parametrize(
    "changes, field, words",
    [
        ({"options": {"n_embd": 10}}, "n_embd", "multiple of n_head"),
        ({"options": {"n_embd": "many"}}, "n_embd", "'many': it must be a whole number"),
        ({"options": {"learning_rate": "x"}}, "learning_rate", "must be a number"),
        ({"options": {"n_embd": 512, "n_layer": 3}, "engine": "reference"}, "n_embd", "GB"),
        ({"options": {"n_embd": 4096, "n_layer": 3}}, None, "too large"),
        ({"options": {"validate_every": 5}}, "validate_every", "validation_split"),
        ({"steps": 0}, "steps", "at least 1"),
        ({"text": "  \n "}, "data", "empty"),
        ({"text": "aaaa\naa"}, "data", "single character"),
        ({"text": "é" * 2_500_001}, "data", "5,000,000 bytes"),
        ({"data": "nothing"}, "data", "neither an embedded dataset"),
        ({"engine": "nothing"}, None, "no engine"),
    ],
)
def test_bad_settings_are_a_line_at_their_field(do, changes, field, words):
    answer = do("check", settings={**SETTINGS, **changes})
    assert words in answer["error"] and answer["fault"] is False
    assert field is None or answer["field"] == field


@pytest.mark.parametrize(
    "content, words",
    [
        (b"emma\0ava\n", "is not text"),
        (b"\xff\xfe\xe9", "not UTF-8"),
        (b"\n\n", "no documents"),
        (b"a" * 5_000_001, "larger than"),
    ],
    ids=["binary", "latin", "empty", "large"],  # the content itself would be a name of 5 MB
)
def test_bad_files_are_a_line(do, tmp_path, content, words):
    (tmp_path / "mine.txt").write_bytes(content)
    answer = do("upload", name="mine.txt")
    assert words in answer["error"] and str(tmp_path) not in answer["error"] and "mine.txt" in answer["error"]
    assert not (tmp_path / "mine.txt").exists()


@pytest.mark.parametrize(
    "source, words",
    [
        ("ENGINE = (", "SyntaxError"),
        ("x = 1", "does not end in ENGINE"),
        ("1 / 0", "ZeroDivisionError"),
    ],
)
def test_bad_engines_are_a_line(do, source, words):
    answer = do("compare", settings={**SETTINGS, "engine": "own", "source": source})
    assert words in answer["error"] and answer["fault"] is False


def test_the_engines_of_the_editor_do_what_they_say(do):
    small = {**SETTINGS, "options": {"n_embd": 8, "n_head": 2}}
    for name, expected in (("mine", "bit-identical"), ("wrong", "DIVERGED")):
        source = (WEB / "engines" / f"{name}.py").read_text(encoding="utf-8")
        assert do("compare", settings={**small, "engine": "own", "source": source})["result"]["parameters"]
        found = [do("compare_step")["result"] for _ in range(4)]
        answer = do("verdict", reference=[one["reference"] for one in found], losses=[one["hex"] for one in found])
        assert answer["result"]["parity"] == expected


def test_numbers_that_leave_what_can_be_held_are_a_line(do):
    do("start", settings={**SETTINGS, "options": {"learning_rate": 1e300}})
    answers = [do("step") for _ in range(3)]
    assert any("smaller learning rate" in answer.get("error", "") for answer in answers)


def test_the_graph_adds_up_from_node_to_node(do):
    do("start", settings=SETTINGS)
    for engine in ("reference", "fused_dot"):
        opened = do("open_graph", engine=engine, document="a")["result"]
        assert opened["node"]["grad"] == 1 and opened["count"] > 1000
        seen, front = 0, [0]
        while front and seen < 60:
            found = do("graph_node", node=front.pop(0))["result"]
            seen += 1
            front += [child["id"] for child in found["children"]]
            if found["node"]["operation"] == "+":
                assert found["node"]["data"] == sum(child["data"] for child in found["children"])
    assert "one or two" in do("open_graph", engine="reference", document="abc")["error"]
    assert "no graph of scalar nodes" in do("open_graph", engine="vector", document="a")["error"]


def test_the_ladder_trains_all_six(do):
    about = do("ladder_start", settings=SETTINGS)["result"]
    assert [model["name"] for model in about["models"]] == [
        "bigram",
        "mlp_manual",
        "mlp",
        "attention",
        "multi_head",
        "gpt",
    ]
    first = do("ladder_step")["result"]
    assert set(first["losses"]) == set(first["unseen"]) and all(x > 0 for x in first["losses"].values())
    do("ladder_start", settings={**SETTINGS, "steps": 3})
    assert [bool(do("ladder_step")["result"]["unseen"]) for _ in range(3)] == [True, False, True]


def test_every_preset_list_can_be_trained_on(do):
    lists = sorted((WEB / "presets").glob("*.txt"))
    assert len(lists) >= 10
    for path in lists:
        text = path.read_text(encoding="utf-8")
        found = do("describe", settings={**SETTINGS, "text": text})["result"]
        lines = [line for line in text.split("\n") if line]
        assert found["documents"] == len(lines) == len(set(lines)) >= 60, path.name
        assert all(line == line.strip().lower() for line in lines), path.name
