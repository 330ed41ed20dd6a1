"""Training options: off, microgpt.py's step is as it was; on, every engine trains alike; the generators of the ports."""

import dataclasses
import math
import os
import pathlib
import shutil
import statistics
import subprocess

import pytest

from bench.workload import data
from bench.workload.config import OPTIONS as NAMES
from bench.workload.config import PRESETS, Config, WorkloadError
from bench.workload.random_streams import Mulberry32
from bench.workload.trainer import Trainer
from tests.workload.test_model import DOCUMENTS, assert_same

SMALL = {"n_embd": 8, "n_head": 2, "block_size": 6, "schedule_steps": 20}
OPTIONS = {
    "tied": {"tied": True},
    "cosine": {"schedule": "cosine"},
    "clipped": {"clip_norm": 0.5},
    "decayed": {"weight_decay": 0.1},
    "product": {"bias_correction": "product"},
    "held out": {"validation_split": 0.3, "validate_every": 2},
    "mulberry32 polar": {"rng": "mulberry32"},
    "mulberry32 trigonometric": {"rng": "mulberry32", "gaussian": "trigonometric"},
    "top-k": {"top_k": 2},
    "optimized": PRESETS["optimized"],
    "all": {**PRESETS["optimized"], "clip_norm": 0.5, "rng": "mulberry32", "n_layer": 2},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_engines_agree_under_each_option_and_all_together(engine, options):
    assert_same(engine, DOCUMENTS, Config(**{**SMALL, **options}), steps=4, samples=2)


def test_engines_agree_at_default_sizes(engine):
    assert_same(engine, "given_names", Config(**OPTIONS["optimized"]), steps=2)


@pytest.mark.parametrize("option", [name for name in OPTIONS if name not in ("held out", "product", "top-k")])
def test_an_option_changes_what_is_trained(option):
    plain, changed = (Trainer("vector_exact", DOCUMENTS, Config(**{**SMALL, **o})) for o in ({}, OPTIONS[option]))
    for trainer in (plain, changed):
        for _ in range(6):
            trainer.step()
    assert plain.weights()["wte"] != changed.weights()["wte"]


def test_options_record():
    assert "tied" not in Config().record()
    config = Config(tied=True, clip_norm=2.0, n_embd=8)
    assert config.record()["tied"] is True
    assert Config(**config.record()) == config
    assert len(Config().record()) == 11


# --------------------------------------------------------------------- what each option does


def test_tied_has_one_matrix_less():
    trainer = Trainer("reference", DOCUMENTS, Config(**SMALL, tied=True))
    assert "lm_head" not in trainer.weights()
    trainer.step()
    assert trainer.weights()["wte"]


def test_cosine_falls_from_the_whole_rate_over_half_to_nothing():
    config = Config(schedule="cosine", schedule_steps=4)
    rates = [config.learning_rate_at(step) for step in (0, 2, 4, 9)]
    assert rates == pytest.approx([0.01, 0.005, 0.0, 0.0], abs=1e-15)
    assert config.learning_rate_at(1) > Config(schedule_steps=4).learning_rate_at(1)


def test_clipping_limits_the_norm_that_adam_sees():
    seen = []
    trainer = Trainer("reference", DOCUMENTS, Config(**SMALL, clip_norm=0.25))
    update = trainer.optimizer.update

    def spy(t, rate, corrections, shrink, decay):
        seen.append((trainer.gradient_norm(), shrink))
        update(t, rate, corrections, shrink, decay)

    trainer.optimizer.update = spy
    trainer.step()
    ((norm, shrink),) = seen
    assert norm > 0.25
    assert norm * shrink == pytest.approx(0.25, rel=1e-12)


def test_weight_decay_takes_its_share_of_weights_without_a_gradient():
    """A row that no document reaches moves by decay alone: Adam's own update of it is 0."""
    documents = ["ab", "a"]
    trainer = Trainer("reference", documents, Config(**SMALL, weight_decay=0.5))
    before = trainer.weights()["wpe"][5]
    rate = trainer.step().learning_rate
    assert trainer.weights()["wpe"][5] == [x * (1 - rate * 0.5) for x in before]


def test_bias_correction_as_a_product_differs_by_rounding_only():
    power, product = (
        Trainer("reference", DOCUMENTS, Config(**SMALL, bias_correction=how)) for how in ("power", "product")
    )
    for _ in range(15):
        assert abs(power.step().loss - product.step().loss) <= 1e-12


def test_a_restored_step_is_the_same_with_all_options(engine):
    trainer = Trainer(engine, DOCUMENTS, Config(**{**SMALL, **OPTIONS["all"]}))
    trainer.step()
    before = trainer.snapshot()
    first = trainer.step().loss
    trainer.restore(before)
    assert trainer.step().loss == first


def test_held_out_documents_are_the_rest_and_are_never_trained_on():
    documents = [f"{a}{b}" for a in "abcde" for b in "abcde"]
    trainer = Trainer("vector_exact", documents, Config(**SMALL, validation_split=0.1, validate_every=3))
    assert len(trainer.documents) == 22 and len(trainer.held_out) == 3
    assert sorted(trainer.documents + trainer.held_out) == sorted(documents)
    due, losses = [], [trainer.validate()]
    for _ in range(30):
        assert trainer.step().document not in trainer.held_out
        due.append(trainer.validation_due())
        losses.append(trainer.validate())
    assert due == [step % 3 == 0 for step in range(1, 31)]
    assert losses[-1] < losses[0]


def test_validation_is_the_mean_over_tokens_and_trains_nothing():
    trainer = Trainer("reference", ["abc", "b", "cab", "ba"], Config(**SMALL, validation_split=0.5))
    weights = trainer.weights()
    total = tokens = 0
    for document in trainer.held_out:
        n = min(6, len(document) + 1)
        total += trainer.model.loss(trainer.vocabulary.encode(document)).data * n
        tokens += n
    assert trainer.validate() == pytest.approx(total / tokens, rel=1e-15)
    assert trainer.weights() == weights
    assert trainer.model.matrices["wte"][0][0].grad == 0


@pytest.mark.parametrize(
    "options, message",
    [
        ({"schedule": "step"}, "schedule is 'step': choose linear or cosine"),
        ({"clip_norm": 0.0}, "clip_norm is 0.0"),
        ({"clip_norm": math.nan}, "clip_norm is nan"),
        ({"weight_decay": -0.1}, "weight_decay is -0.1"),
        ({"validation_split": 1.0}, "validation_split is 1.0"),
        ({"validate_every": 5}, "validate_every needs held-out documents"),
        ({"validate_every": -1}, "validate_every is -1"),
        ({"validation_documents": 5}, "validation_documents needs held-out documents"),
        ({"top_k": 0}, "top_k is 0: it must be at least 1"),
        ({"gaussian": "trigonometric"}, "works only with rng mulberry32"),
        ({"rng": "xorshift"}, "rng is 'xorshift': choose mersenne or mulberry32"),
    ],
)
def test_options_that_make_no_sense(options, message):
    with pytest.raises(WorkloadError, match=message):
        Config(**options)


def test_the_preset_is_the_known_variant():
    assert PRESETS["optimized"] == {
        "tied": True,
        "schedule": "cosine",
        "clip_norm": 1.0,
        "weight_decay": 0.01,
        "bias_correction": "product",
        "validation_split": 0.1,
        "validate_every": 100,
        "top_k": 5,
    }


def test_top_k_of_the_configuration_is_what_samples_are_drawn_by():
    by_option, asked = (Trainer("vector_exact", DOCUMENTS, Config(**SMALL, **o)) for o in ({"top_k": 2}, {}))
    assert by_option.step().loss == asked.step().loss
    assert by_option.generate(9) == asked.generate(9, top_k=2)
    assert by_option.generate(9, top_k=1000) == asked.generate(9)


def test_a_split_that_leaves_nothing():
    with pytest.raises(WorkloadError, match="leaves 0 of 2 documents to train on"):
        Trainer("reference", ["ab", "b"], Config(validation_split=0.9))
    with pytest.raises(WorkloadError, match="no documents are held out"):
        Trainer("reference", ["ab", "b"]).validate()


# --------------------------------------------------------------------- the generator of the JavaScript ports


def test_mulberry32_gives_its_known_numbers():
    """The first draws from seed 42, as any JavaScript engine gives them."""
    rng = Mulberry32(42)
    assert [int(rng.random() * 2**32) for _ in range(3)] == [2581720956, 1925393290, 3661312704]


@pytest.mark.parametrize("gaussian", ["polar", "trigonometric"])
def test_gaussian_numbers_are_normal(gaussian):
    rng = Mulberry32(7, gaussian)
    numbers = [rng.gauss(2.0, 3.0) for _ in range(20_000)]
    assert statistics.fmean(numbers) == pytest.approx(2.0, abs=0.1)
    assert statistics.stdev(numbers) == pytest.approx(3.0, rel=0.03)
    assert statistics.fmean(abs(x - 2.0) < 3.0 for x in numbers) == pytest.approx(0.6827, abs=0.02)


def test_shuffles_and_choices():
    rng = Mulberry32(1)
    items = list(range(50))
    rng.shuffle(items)
    assert items != list(range(50)) and sorted(items) == list(range(50))
    drawn = [rng.choices("abc", weights=[1.0, 0.0, 3.0])[0] for _ in range(4_000)]
    assert "b" not in drawn
    assert drawn.count("c") / len(drawn) == pytest.approx(0.75, abs=0.03)


def printed(name):
    """Lines that a port printed for names.txt, where these files are at hand."""
    names = os.environ.get("MICROGPT_BENCH_NAMES")
    golden = names and pathlib.Path(names).parent.parent / "golden" / name
    if not golden or not golden.is_file():
        pytest.skip("needs names.txt (MICROGPT_BENCH_NAMES) and what the ports printed beside it")
    return names, [line.split("loss ")[1].strip() for line in golden.read_text().splitlines() if "loss" in line]


@pytest.mark.parametrize(
    "gaussian, name",
    [
        ("polar", "mulberry32-seed42-first20.printed.txt"),
        ("trigonometric", "mulberry32-trigonometric-seed42-first10.printed.txt"),
    ],
)
def test_a_run_reproduces_what_the_javascript_ports_print(gaussian, name):
    names, losses = printed(name)
    trainer = Trainer("vector_exact", names, Config(rng="mulberry32", gaussian=gaussian))
    assert [f"{trainer.step().loss:.4f}" for _ in losses] == losses


def test_config_is_the_whole_of_it():
    """A field that is neither microgpt.py's nor listed as an option above would go unproven."""
    tested = set().union(*OPTIONS.values())
    options = {field.name for field in dataclasses.fields(Config) if field.name in NAMES}
    assert options - tested == {"validation_documents"}


@pytest.mark.parametrize(
    "gaussian, steps", [("polar", 30), ("trigonometric", 30), pytest.param("polar", 1000, marks=pytest.mark.slow)]
)
def test_a_run_prints_what_a_javascript_program_prints(gaussian, steps):
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs Node: install it, for instance with apt install nodejs")
    port = pathlib.Path(__file__).parents[2] / "examples" / "microgpt.mjs"
    command = [node, port, data.path_of("given_names"), str(steps), gaussian, "42", "20"]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    losses, samples = lines[:steps], lines[steps:]
    trainer = Trainer("vector_exact", "given_names", Config(rng="mulberry32", gaussian=gaussian))
    assert [f"{trainer.step().loss:.4f}" for _ in losses] == [line.split("loss ")[1] for line in losses]
    assert trainer.generate(20) == [line.split(": ")[1] for line in samples]
