"""Drawing documents, models on disk, the object to play with."""

import doctest
import functools
import json
import math
import pathlib
import sys

import pytest

import bench
from bench import Model, Trainer, WorkloadError
from bench.workload import generation, model, model_file
from bench.workload.config import Config
from bench.workload.engine import Parity
from tests.workload.test_model import DOCUMENTS

SMALL = {"n_embd": 8, "n_head": 2, "block_size": 6, "schedule_steps": 20}


def trained(engine="vector_exact", steps=4, **options):
    trainer = Trainer(engine, DOCUMENTS, Config(**{**SMALL, **options}))
    for _ in range(steps):
        trainer.step()
    return trainer


HOW = [{}, {"top_k": 3}, {"greedy": True}, {"prefix": "ca"}, {"temperature": 1.5}]


def drawn(engine):
    """One training run's samples in each way, and the tokens of as many traces."""
    trainer = trained(engine)
    return [(trainer.generate(6, **how), list(trainer.generate(2, **how, trace=True))) for how in HOW]


drawn_by_reference = functools.lru_cache(maxsize=None)(lambda: drawn("reference"))


def test_engines_draw_the_same_in_each_way(engine):
    for how, (texts, tokens), (expected, traced) in zip(HOW, drawn(engine), drawn_by_reference()):
        assert texts == expected, how
        assert [token[:3] for token in tokens] == [token[:3] for token in traced], how
        if engine.parity is Parity.BIT_IDENTICAL:
            assert tokens == traced, how


def test_a_trace_tells_what_generate_draws():
    texts = trained().generate(5, temperature=0.9, prefix="b")
    tokens = list(trained().generate(5, temperature=0.9, prefix="b", trace=True))
    for sample, text in enumerate(texts):
        mine = [token for token in tokens if token.sample == sample]
        assert "b" + "".join(token.token for token in mine) == text
        assert [token.position for token in mine] == list(range(1, 1 + len(mine)))
        assert (mine[-1].token == generation.END) == (len(text) < 6)
        for token in mine:
            shares = [share for _, share in token.alternatives]
            assert shares == sorted(shares, reverse=True) and sum(shares) <= 1 + 1e-12
            assert dict(token.alternatives).get(token.token, token.probability) == token.probability


def test_top_k_draws_from_the_k_most_probable_only():
    for token in trained().generate(30, temperature=2.0, top_k=2, trace=True):
        assert len(token.alternatives) == 2
        assert token.token in dict(token.alternatives)
        assert sum(share for _, share in token.alternatives) == pytest.approx(1)


def test_top_k_of_all_is_as_none_and_greedy_is_top_1():
    assert trained().generate(8, top_k=1000) == trained().generate(8)
    assert trained().generate(1, greedy=True) == trained().generate(1, top_k=1)


def test_greedy_draws_no_random_number():
    trainer = trained()
    state = trainer.rng.getstate()
    trainer.generate(3, greedy=True)
    assert trainer.rng.getstate() == state


def test_sampling_leaves_training_as_it_was(engine):
    plain, sampled = trained(engine), trained(engine)
    sampled.generate(2, prefix="a")
    next(sampled.generate(2, trace=True))  # a trace that nobody finishes
    assert sampled.step().loss == plain.step().loss
    assert sampled.weights() == plain.weights()


@pytest.mark.parametrize(
    "how, message",
    [
        ({"temperature": 0.0}, "temperature is 0.0: it must be a finite number above 0"),
        ({"temperature": math.nan}, "temperature is nan"),
        ({"temperature": math.inf}, "temperature is inf"),
        ({"temperature": 1e-320}, "temperature is 1e-320: it must be a finite number above 0, at least 1e-100"),
        ({"top_k": 0}, "top_k is 0"),
        ({"prefix": "z"}, "the character 'z'"),
        ({"prefix": "cabcab"}, "6 characters: give at most 5"),
    ],
)
def test_what_cannot_be_drawn(how, message):
    for trace in (False, True):
        with pytest.raises(WorkloadError, match=message):
            trained().generate(1, **how, trace=trace)  # said at once, not when a first token is asked for


def test_the_coldest_is_greedy():
    assert trained().generate(3, temperature=generation.COLDEST) == trained().generate(3, greedy=True)


# --------------------------------------------------------------------- models on disk


def test_a_saved_model_comes_back_to_the_last_bit(engine, tmp_path):
    trainer = trained(engine, tied=True, rng="mulberry32")
    trainer.save(tmp_path / "model.json")
    saved = model_file.load(tmp_path / "model.json")
    assert saved.weights == trainer.weights()
    assert (saved.config, saved.engine, saved.steps) == (trainer.config, engine.name, 4)
    loaded = Model.load(tmp_path / "model.json")
    assert loaded.trainer.weights() == trainer.weights()
    assert all(set(text) <= set("".join(DOCUMENTS)) for text in loaded.generate(5))
    with pytest.raises(WorkloadError, match="loaded without documents"):
        loaded.step()


def test_training_goes_on_from_a_file(tmp_path):
    trained(steps=7, validation_split=0.3, validate_every=2).save(tmp_path / "model.json")
    loaded = Model.load(tmp_path / "model.json", documents=DOCUMENTS)
    record = loaded.step()
    assert record.step == 8 and record.validation is not None
    with pytest.raises(WorkloadError, match="knows the characters"):
        Model.load(tmp_path / "model.json", documents=["xy", "yz", "zx", "x"])


def test_nothing_is_overwritten_unless_asked(tmp_path):
    path = tmp_path / "model.json"
    path.write_text("mine")
    with pytest.raises(WorkloadError, match="exists already"):
        trained().save(path)
    assert path.read_text() == "mine"
    trained().save(path, overwrite=True)
    assert model_file.load(path).steps == 4
    with pytest.raises(WorkloadError, match="cannot write"):
        trained().save(tmp_path / "nowhere" / "model.json")


def damaged(change):
    def damage(record):
        change(record)
        return record

    return damage


@pytest.mark.parametrize(
    "damage, message",
    [
        (lambda record: "no model", "is not a model"),
        (lambda record: {**record, "schema": 2}, "has schema 2"),
        (lambda record: {**record, "extra": 1}, "unknown field 'extra'"),
        (lambda record: {name: record[name] for name in record if name != "steps"}, "it lacks 'steps'"),
        (lambda record: {**record, "steps": -1}, "steps are not a count"),
        (lambda record: {**record, "characters": "ba"}, "not a sorted text"),
        (lambda record: {**record, "characters": record["characters"] + "ž"}, "does not have the shape"),
        (lambda record: {**record, "weights": []}, "weights are"),
        (damaged(lambda record: record["weights"].pop("wpe")), "weights are"),
        (damaged(lambda record: record["weights"]["wpe"].pop()), "wpe does not have the shape"),
        (damaged(lambda record: record["weights"]["wte"][0].__setitem__(0, "nan")), "not finite"),
        (damaged(lambda record: record["weights"]["wte"][0].__setitem__(0, "0xzz")), "is damaged"),
        (damaged(lambda record: record["weights"]["wte"][0].__setitem__(0, 1.5)), "is damaged"),
        (damaged(lambda record: record["config"].update(n_embd=10**9)), "parameters is too large"),
        (damaged(lambda record: record["config"].update(n_layer=10**18)), "parameters is too large"),
        (damaged(lambda record: record["config"].update(n_embd="8")), "n_embd of its configuration is '8'"),
        (damaged(lambda record: record["config"].update(seed=True)), "seed of its configuration is True"),
        (damaged(lambda record: record["config"].update(tied=1)), "tied of its configuration is 1"),
        (damaged(lambda record: record["config"].update(top_k=2.5)), "top_k of its configuration is 2.5"),
        (damaged(lambda record: record["config"].update(clip_norm=None)), "clip_norm of its configuration is None"),
        (lambda record: {**record, "characters": record["characters"][:-1] + "\ud800"}, "surrogates not allowed"),
        (damaged(lambda record: record["config"].update(n_head=3)), "does not divide"),
        (damaged(lambda record: record["config"].update(dropout=0.1)), "unknown field 'dropout'"),
        (damaged(lambda record: record.update(config=[])), "is damaged"),
    ],
)
def test_files_that_are_not_as_they_should_be(tmp_path, damage, message):
    path = tmp_path / "model.json"
    trained().save(path)
    path.write_text(json.dumps(damage(json.loads(path.read_text(encoding="utf-8")))), encoding="utf-8")
    with pytest.raises(WorkloadError, match=message) as caught:
        model_file.load(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, '{"kind": "microgpt-bench model"'])
def test_files_that_are_not_json(tmp_path, text):
    (tmp_path / "model.json").write_text(text)
    with pytest.raises(WorkloadError, match=r"damaged|not a model"):
        model_file.load(tmp_path / "model.json")
    with pytest.raises(WorkloadError, match=r"cannot read .*: No such file"):
        model_file.load(tmp_path / "missing.json")
    with pytest.raises(WorkloadError, match=r"cannot read .*: it is not a file"):
        model_file.load(tmp_path)


def test_a_model_file_cannot_have_code_run(tmp_path):
    """Whose engine is a path would be imported, if somebody's word for it were taken."""
    path, code = tmp_path / "model.json", tmp_path / "code.py"
    code.write_text(f"open({str(tmp_path / 'it ran')!r}, 'w')")
    trained().save(path)
    record = json.loads(path.read_text())
    for engine in (str(code), "mine"):
        path.write_text(json.dumps({**record, "engine": engine}))
        with pytest.raises(WorkloadError, match="is not an engine of this project"):
            Model.load(path)
    assert not (tmp_path / "it ran").exists()
    assert Model.load(path, engine="vector").generate(1)


# --------------------------------------------------------------------- the object to play with


def test_records_say_what_a_step_did():
    plain = Trainer("reference", DOCUMENTS, Config(**SMALL))
    gpt = Model("reference", DOCUMENTS, **SMALL)
    for number in range(1, 5):
        step, record = plain.step(), gpt.step()
        assert (record.step, record.loss, record.document) == (number, step.loss, step.document)
        assert record.tokens == plain.vocabulary.encode(step.document)
        numbers = [x for rows in plain.weights().values() for row in rows for x in row]
        assert record.mean == pytest.approx(sum(numbers) / len(numbers))
        assert record.deviation**2 == pytest.approx(sum((x - record.mean) ** 2 for x in numbers) / len(numbers))
        assert record.validation is None and record.seconds > 0
    assert gpt.losses[-1] == record.loss
    gradients = Model("reference", DOCUMENTS, **SMALL).trainer.gradients()
    squares = [g * g for rows in gradients.values() for row in rows for g in row]
    assert Model("reference", DOCUMENTS, **SMALL).step().gradient_norm == pytest.approx(math.sqrt(sum(squares)))


@pytest.mark.parametrize("engine", ["reference", "vector"])
def test_what_is_seen_inside_is_what_the_engine_computes(engine):
    gpt = Model(engine, DOCUMENTS, **{**SMALL, "n_layer": 2})
    gpt.train(3)
    inside = gpt.look("cab")
    assert inside.tokens == ["", "c", "a", "b"]
    assert [len(inside.attention), len(inside.attention[0]), len(inside.residual), len(inside.neurons)] == [2, 2, 5, 2]
    for heads in inside.attention:
        for weights in heads:
            assert [len(row) for row in weights] == [1, 2, 3, 4]
            assert all(sum(row) == pytest.approx(1) for row in weights)
    assert all(len(stream) == 4 and len(stream[0]) == 8 for stream in inside.residual)
    assert all(len(rows) == 4 and len(rows[0]) == 32 and min(map(min, rows)) == 0 for rows in inside.neurons)
    drawn = next(gpt.trainer.generate(1, temperature=1.0, trace=True, prefix="cab"))
    best = max(inside.probabilities[3])
    assert drawn.alternatives[0][1] == pytest.approx(best, rel=1e-9)


def test_the_object_draws_as_its_trainer_does():
    gpt, plain = Model("vector_exact", DOCUMENTS, **SMALL), Trainer("vector_exact", DOCUMENTS, Config(**SMALL))
    assert gpt.generate(4, top_k=3, prefix="a") == plain.generate(4, top_k=3, prefix="a")
    assert list(gpt.generate(2, trace=True)) == list(plain.generate(2, trace=True))


def test_options_of_the_object():
    assert Model(documents="ab\n\nba\n", preset="optimized", validation_split=0.5).config.tied
    assert Model(documents="ab\n\nba\n").trainer.vocabulary.characters == ["a", "b"]
    with pytest.raises(WorkloadError, match="no option 'width'"):
        Model(width=3)
    with pytest.raises(WorkloadError, match="no preset 'best'"):
        Model(preset="best")


def test_the_package_offers_its_parts():
    needs_host = {name for name, where in bench._LATER.items() if where.startswith(("bench.api", "bench.host"))}
    assert all(getattr(bench, name) is not None for name in {*bench.__all__} - needs_host)
    assert needs_host < {*bench.__all__}
    if sys.version_info < (3, 11):
        with pytest.raises(ImportError, match=r"^bench.measure needs Python 3.11 or newer: this is 3"):
            bench.measure  # noqa: B018
    with pytest.raises(AttributeError):
        bench.nothing  # noqa: B018


def test_examples_run():
    assert doctest.testmod(model).failed == 0 and doctest.testmod(model).attempted > 5
    page = pathlib.Path(__file__).parents[2] / "docs" / "api.md"
    found = doctest.testfile(str(page), module_relative=False, optionflags=doctest.IGNORE_EXCEPTION_DETAIL)
    assert found.failed == 0 and found.attempted > 20
