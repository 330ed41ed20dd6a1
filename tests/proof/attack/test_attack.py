"""Wrong engines, cheats and honest ones: what must come out of each stands in expected.py.

`pytest tests/proof/attack` prints the tally by kind. Any of them alone:
`microgpt-bench run --engine tests/proof/attack/mathematics/relu_leaky.py`.
"""

import pathlib
import pickle

import filelock
import pytest

from tests.proof.attack import attack
from tests.proof.attack.expected import BUILT_IN, HONEST, KINDS

pytestmark = pytest.mark.slow


@pytest.fixture
def attacked(tmp_path_factory, request):
    """A kind's run, which happens once, however many processes the tests are spread over.

    `--dist loadgroup` keeps a kind's tests together, so that no process waits for the lock.
    """
    shared = tmp_path_factory.getbasetemp()
    if hasattr(request.config, "workerinput"):
        shared = shared.parent  # the folder that all processes of pytest-xdist have in common

    def run(kind):
        kept = shared / f"attack-{kind}.pickle"
        with filelock.FileLock(f"{kept}.lock"):
            if not kept.exists():
                kept.write_bytes(pickle.dumps(attack.run(kind, tmp_path_factory.mktemp(kind))))
        return pickle.loads(kept.read_bytes())

    return run


def every_engine():
    for kind, about in KINDS.items():
        for name, expected in about.engines.items():
            late = pytest.mark.xfail(strict=not expected.sometimes, reason=expected.uncaught)
            marks = [late] if expected.uncaught else []
            marks.append(pytest.mark.xdist_group(f"attack-{kind}"))
            yield pytest.param(kind, name, expected, id=f"{kind}/{name}", marks=marks)


@pytest.mark.parametrize(("kind", "name", "expected"), list(every_engine()))
def test_attack(kind, name, expected, attacked, record_property, tmp_path):
    record_property("attack", kind)
    run = attacked(kind)
    if name not in run.outcomes:
        pytest.fail(f"the run ended with exit status {run.exit_status}: {run.errors[-1000:]}", pytrace=False)
    outcome = run.outcomes[name]
    if attack.believed(expected, outcome):  # a cheat gains each time, a busy machine's one round only now and then
        outcome = attack.once_more(kind, name, tmp_path)
    wrong = attack.check(expected, outcome)
    if KINDS[kind].alone:
        wrong = wrong or attack.check(HONEST, run.outcomes[f"reference beside {name}"])
    if wrong:
        pytest.fail(wrong, pytrace=False)


def every_kind():
    for kind, about in KINDS.items():
        marks = [pytest.mark.xfail(strict=True, reason=about.left)] if about.left else []
        yield pytest.param(kind, id=kind, marks=[*marks, pytest.mark.xdist_group(f"attack-{kind}")])


def in_groups():
    return [pytest.param(kind, id=kind, marks=pytest.mark.xdist_group(f"attack-{kind}")) for kind in KINDS]


@pytest.mark.parametrize("kind", list(every_kind()))
def test_attack_leaves_nothing_behind(kind, attacked):
    run = attacked(kind)
    assert not run.left and not run.files, f"left running: {run.left}; left in the temporary folder: {run.files}"


@pytest.mark.parametrize("kind", in_groups())
def test_attack_exit_status(kind, attacked):
    run = attacked(kind)
    good = all(outcome.good and outcome.status in ("ok", "skipped") for outcome in run.outcomes.values())
    assert run.outcomes and run.exit_status == (0 if good else 1), run.errors[-2000:]
    assert "Traceback" not in run.errors


def test_every_engine_file_is_expected():
    here = pathlib.Path(attack.__file__).parent
    files = {(path.parent.name, path.stem) for path in here.glob("*/*.py") if not path.stem.startswith("_")}
    expected = {(about.folder or kind, name) for kind, about in KINDS.items() for name in about.engines}
    assert files == {(folder, name) for folder, name in expected if name not in BUILT_IN}
