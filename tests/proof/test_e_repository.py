"""Neither the folder that the command is started in, nor git's variables, decide what is imported or measured."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

from tests.host.conftest import SMALL, engine_file
from tests.host.test_actions import gate, theirs
from tests.host.test_check import check, git, project
from tests.proof.test_a_identity import QUICK, words

__all__ = ["check", "gate", "project", "theirs"]
ROOT = pathlib.Path(__file__).resolve().parents[2]
SCRIPT = [sys.executable, str(ROOT / "microgpt_bench.py")]
MODULE = [sys.executable, "-m", "bench"]


# --------------------------------------------------------------------- 27. whose packages


def their_package(folder, name):
    (folder / name).mkdir()
    (folder / name / "__init__.py").write_text("THEIRS = True\n")


@pytest.mark.parametrize(
    "command, packages, path",
    [
        (MODULE, ["engines"], str(ROOT)),
        (MODULE, ["engines"], f".{os.pathsep}{ROOT}"),
        (SCRIPT, ["engines"], "."),
        (SCRIPT, ["bench"], "."),
        (SCRIPT, ["bench", "engines"], "."),
        (SCRIPT, ["bench", "engines", "microgpt"], "."),
    ],
)
def test_e27_their_packages_are_not_taken_for_ours(tmp_path, documents, command, packages, path):
    folder = tmp_path / "theirs"
    folder.mkdir()
    for name in packages:
        their_package(folder, name)
    mine = engine_file(folder, "mine", "ENGINE = replace()")
    words = ["run", "--engine", mine, "--python", sys.executable, "--data", documents, *SMALL, "--steps", "2", "--rounds", "1"]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run([*command, *words], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0 and "bit-identical" in done.stdout, done.stderr


def test_e27_the_console_script_is_the_module_that_nobody_else_has():
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["scripts"] == {"microgpt-bench": "microgpt_bench:main"}
    assert "microgpt_bench.py" in project["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"]
    assert "microgpt_bench.py" in project["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]


def test_e27_another_package_that_is_there_first_is_one_line(tmp_path):
    their_package(tmp_path, "engines")
    code = "import engines\nimport bench"
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"},
        capture_output=True, text=True)  # fmt: skip
    assert done.stderr.splitlines()[-1].startswith("ImportError: the package engines is already imported from")


def test_e27_through_the_action_with_a_path_of_theirs(gate, theirs):
    their_package(theirs, "bench")
    (theirs / "glob.py").write_text("raise RuntimeError('theirs')\n")
    status, outputs, _, log = gate(threshold="9", budget="1s", environment={"PYTHONPATH": "."})
    assert (status, outputs["verdict"]) == (0, "pass"), log


def test_e27_through_the_action_helpers_are_no_engines_and_one_that_breaks_fails(gate, theirs):
    (theirs / "engines" / "helper.py").write_text("NUMBER = 1\n")
    for folder, text in (("v1", "1 / 0\nENGINE = 1\n"), ("v2", "ENGINE = replace()")):
        (theirs / folder).mkdir()
        engine_file(theirs / folder, "engine", text)
    status, outputs, _, log = gate(engines="engines/*.py\nv*/engine.py", budget="1s", threshold="9")
    cells = json.loads(pathlib.Path(outputs["json"]).read_text())["cells"]
    found = {cell["engine"]: cell["word"] for cell in cells}
    assert set(found) == {"mine", "v1/engine", "v2/engine"} and found["v1/engine"] == "FAILED", log
    assert (status, outputs["verdict"]) == (1, "fail")
    (theirs / "engines" / "mine.py").unlink()
    status, outputs, summary, log = gate(engines="engines/*.py")
    assert (status, outputs["verdict"]) == (2, "error") and "has an ENGINE" in summary


# --------------------------------------------------------------------- 28. git


def test_e28_variables_that_a_hook_has_from_git_do_not_decide(project, check, tmp_path, monkeypatch):
    other = tmp_path / "other"
    subprocess.run(["git", "clone", "-q", str(project), str(other)], check=True)
    engine = other / "engines" / "fused_dot.py"
    engine.write_text("raise RuntimeError('of another clone')\n")
    git(other, "commit", "-qam", "broken there")
    theirs = {"DIR": "", "INDEX_FILE": "index", "OBJECT_DIRECTORY": "objects", "COMMON_DIR": ""}
    with monkeypatch.context() as hook:
        for name, path in theirs.items():
            hook.setenv(f"GIT_{name}", str(other / ".git" / path))
        hook.setenv("GIT_WORK_TREE", str(other))
        hook.setenv("GIT_PREFIX", "engines/")
        done = check("--against", "HEAD", "--engine", "fused_dot", *QUICK)
    head = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=project, capture_output=True, text=True)
    assert f"Against {head.stdout.strip()} " in done.stdout and words()["fused_dot"] in ("PASS", "INCONCLUSIVE")


def test_e28_a_checkout_in_a_subfolder_of_a_bigger_repository(project, check, tmp_path, monkeypatch):
    from bench.host.measure import revision
    from bench.host.system import interpreters

    bigger = tmp_path / "bigger"
    inside = bigger / "vendor" / "a checkout"
    inside.parent.mkdir(parents=True)
    shutil.rmtree(project / ".git")
    shutil.move(project, inside)
    (bigger / ".gitattributes").write_text("vendor export-ignore\n")
    git(bigger, "init", "-q")
    git(bigger, "add", ".")
    git(bigger, "commit", "-qm", "vendored")
    monkeypatch.setattr(interpreters, "ROOT", inside)
    monkeypatch.setattr(revision, "ROOT", inside)
    done = check("--against", "HEAD", "--engine", "fused_dot", *QUICK)
    assert words()["fused_dot"] in ("PASS", "INCONCLUSIVE") and done.exit_code == 0, done.output
    git(bigger, "rm", "-rq", "--cached", "vendor")
    git(bigger, "commit", "-qm", "no more")
    done = check("--against", "HEAD", "--engine", "fused_dot", "--name", "none")
    assert done.exit_code == 2 and f"{bigger} has no vendor/a checkout/engines/__init__.py" in done.stderr


def test_e28_dubious_ownership_is_reported_with_gits_own_advice(project, check, monkeypatch):
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    done = check("--against", "HEAD", "--engine", "fused_dot")
    assert done.exit_code == 2 and done.stderr.count("\n") == 1
    assert "dubious ownership" in done.stderr and "git config --global --add safe.directory" in done.stderr
    assert "not a git repository" not in done.stderr


def test_e28_a_configuration_in_the_environment_stays(project, check, monkeypatch):
    """Such as the one by which a container's checkout is safe."""
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "safe.directory")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "*")
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    done = check("--against", "no-such-revision", "--engine", "fused_dot")
    assert done.exit_code == 2 and f"no such revision in {project}" in done.stderr


@pytest.mark.parametrize("options", [["--against", "100%-none"], ["--threshold", "x"], ["--engine", "nowhere.py"]])
def test_e28_bad_input_is_said_in_the_step_summary_and_as_an_annotation(project, check, monkeypatch, options):
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "summary.md")
    done = check(*options)
    line = done.stderr.strip().partition(": ")[2]
    assert done.exit_code == 2 and "::error" not in done.output and line in pathlib.Path("summary.md").read_text()
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    done = check(*options)
    annotation = next(line for line in done.stderr.splitlines() if line.startswith("::error"))
    assert line.replace("%", "%25") in annotation and done.exit_code == 2


def test_e28_through_the_action_a_bad_base_is_said_too(gate):
    status, _, summary, log = gate(against="no-such-base", environment={"GITHUB_ACTIONS": "true"})
    assert status == 2 and "no such revision" in summary and "\n::error title=microgpt-bench::" in log
    status, _, summary, log = gate(strict="maybe", environment={"GITHUB_ACTIONS": "true"})
    assert status == 2 and "write true or false" in summary and "\n::error title=microgpt-bench::" in log
