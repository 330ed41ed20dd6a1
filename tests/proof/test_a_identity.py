"""Which engine a row stands for, on both sides of the gate, and what a run takes along of it."""

import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import threading
import time

import pytest

import engines
from bench.host.measure import engine_files
from tests.host.conftest import SMALL, engine_file
from tests.host.test_check import check, git, project

__all__ = ["check", "project"]
ROOT = pathlib.Path(__file__).resolve().parents[2]
HELPED = "import helper\nENGINE = replace(relu=lambda x: helper.relu(x))\n"
RELU = "def relu(x):\n    return [xi.relu() for xi in x]\n"
WRONG = "def relu(x):\n    return [xi.relu() * 1.000001 for xi in x]\n"


@pytest.fixture
def theirs(tmp_path):
    """A repository of another one's, empty but for a first commit."""
    root = tmp_path / "theirs"
    root.mkdir()
    git(root, "init", "-q")
    (root / "README").write_text("engines\n")
    commit(root)
    return root


def commit(root):
    git(root, "add", "-A")
    git(root, "commit", "-qm", "so far")


def in_folder(root, folder, name, text="ENGINE = replace()\n"):
    (root / folder).mkdir(parents=True, exist_ok=True)
    return engine_file(root / folder, name, text)


def words(path="j.json"):
    return {cell["engine"]: cell["word"] for cell in json.loads(pathlib.Path(path).read_text())["cells"]}


QUICK = ["--json", "j.json", "--threshold", "9", "--no-instructions", "--budget", "1s"]


# --------------------------------------------------------------------- 1. names


@pytest.mark.parametrize(
    "paths, names",
    [
        (["/a/v1/engine.py", "/a/v2/engine.py"], ["v1/engine", "v2/engine"]),
        (["/a/v1/engine.py", "/a/v2/other.py"], ["engine", "other"]),
        (["/a/v1/x/e.py", "/a/v2/x/e.py", "/a/y/e.py"], ["v1/x/e", "v2/x/e", "y/e"]),
        (["/x/e.py", "/a/x/e.py"], ["//x/e", "a/x/e"]),
        (["/mine/tape.py", "/mine/other.tape.py"], ["mine/tape", "other.tape"]),
        (["/a/v1@2/e.py", "/a/v1/e@2.py", "/b/v1/e@2.py"], ["e", "a/v1/e@2", "b/v1/e@2"]),
    ],
)
def test_a1_the_shortest_end_of_a_path_that_tells_it_apart(paths, names):
    assert engine_files.shortest([pathlib.PurePosixPath(path) for path in paths], engines.NAMES) == names


def test_a1_two_files_of_one_name_are_two_rows(tmp_path, small_run):
    one, two = in_folder(tmp_path, "v1", "engine"), in_folder(tmp_path, "v2", "engine", "import time\n1 / 0\n")
    again = tmp_path / "again.py"
    again.symlink_to(one)
    done = small_run("--engine", "v1/engine.py", "--engine", two, "--engine", "./v2/../v1/engine.py", "--engine", again)
    assert done.exit_code == 1
    rows = [line.split()[0] for line in done.stdout.splitlines() if "engine " in line and "v" in line]
    assert rows.count("v1/engine") == 1 and "ZeroDivisionError" in done.stdout
    record = json.loads(pathlib.Path("results/small/run.json").read_text())
    assert list(record["engines"]) == ["reference", "v1/engine", "v2/engine"]
    assert [engine["path"] for engine in record["engines"].values()] == [None, one, two]


def test_a1_rows_with_a_slash_are_followed_and_counted(tmp_path, small_run, bench_command):
    one, two = in_folder(tmp_path, "v1", "engine"), in_folder(tmp_path, "v2", "engine")
    assert small_run("--engine", one, "--engine", two, "--rounds", 1).exit_code == 0
    done = bench_command(
        "history", "--ratio", "v1/engine/v2/engine", "--ratio", "v2/engine", "--ratio", "reference/v1/engine"
    )
    assert done.exit_code == 0 and " v1/engine/v2/engine " in done.stdout
    for text, word in (("v3/engine", "no run has"), ("v1/", "is not ENGINE"), ("/v1/engine", "is not ENGINE")):
        assert word in bench_command("history", "--ratio", text).stderr
    assert "no engine v3/engine in" in bench_command("count", "small", "--engine", "v3/engine").stderr


def test_a1_a_file_named_as_a_built_in_engine_is_a_row_beside_it(tmp_path, small_run, bench_command):
    mine = in_folder(tmp_path, "mine", "tape", "ENGINE = replace(summary='mine')\n")
    assert small_run("--engine", mine, "--engine", "tape", "--rounds", 1).exit_code == 0
    record = json.loads(pathlib.Path("results/small/run.json").read_text())
    assert list(record["engines"]) == ["reference", "mine/tape", "tape"]
    assert record["engines"]["mine/tape"]["summary"] == "mine"
    for command in ("show", "report"):
        assert bench_command(command, "small").exit_code == 0


def test_a1_through_the_gate_two_of_one_name_are_two_cells(theirs, check):
    one, two = in_folder(theirs, "v1", "engine"), in_folder(theirs, "v2", "engine")
    commit(theirs)
    engine_file(theirs / "v1", "engine", "1 / 0\n")
    done = check("--against", "HEAD", "--engine", one, "--engine", two, "--inject", "v2/engine=0.01", *QUICK)  # fmt: skip
    assert set(words()) == {"v1/engine", "v2/engine"}
    assert words()["v1/engine"] == "FAILED" and done.exit_code == 1


def test_a1_the_calibration_names_its_row_as_a_run_does(bench_command, tmp_path):
    mine = in_folder(tmp_path, "mine", "tape")
    done = bench_command("calibrate", "--engine", mine, "--python", sys.executable, "--null-trials", 2, "--trials", 0,
        "--threshold", 2, "--budget", "2s")  # fmt: skip
    assert "mine/tape on " in done.stderr


@pytest.mark.parametrize(
    "name", ["new\nline", "tab\there", "bell\x07", "\udcff\udcfe", "zero\u200bwidth", "\u2028"], ids=ascii
)
def test_a1_a_name_that_does_not_show_is_one_line(name, tmp_path, bench_command):
    path = tmp_path / f"{name}.py"
    path.write_text("ENGINE = 1\n")
    for command in (["run"], ["check", "--against", "HEAD"], ["calibrate"]):
        done = bench_command(*command, "--engine", path)
        assert (done.exit_code, done.stdout) == (2, "") and done.stderr.count("\n") == 1, done.output
    folder = tmp_path / f"folder {name}"
    folder.mkdir()
    done = bench_command("run", "--engine", engine_file(folder, "plain", "ENGINE = replace()"))
    assert done.exit_code == 2 and done.stderr.count("\n") == 1


def test_a1_a_row_of_the_user_is_never_taken_for_one_of_a_revision(theirs, check):
    path = in_folder(theirs, "v", "mine")
    commit(theirs)
    short = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=theirs, capture_output=True, text=True).stdout
    odd = engine_file(theirs / "v", f"mine@{short.strip()}", "ENGINE = replace()")
    check("--against", "HEAD", "--engine", path, "--engine", odd, *QUICK)
    assert words()[f"mine@{short.strip()}"] == "NEW" and words()["mine"] in ("PASS", "INCONCLUSIVE")


# --------------------------------------------------------------------- 2. whose revision


def test_a2_a_file_is_held_against_its_own_repository(project, theirs, check):
    mine = pathlib.Path(in_folder(theirs, "engines", "mine"))
    commit(theirs)
    committed = hashlib.sha256(mine.read_bytes()).hexdigest()
    engine_file(theirs / "engines", "mine", "ENGINE = replace(summary='edited since')\n")
    done = check("--against", "HEAD", "--engine", mine, "--engine", "fused_dot", *QUICK)
    assert set(words()) == {"mine", "fused_dot"} and not {*words().values()} & {"NEW", "FAILED", "SKIPPED"}
    assert "Against HEAD" in done.stdout
    assert f"in {theirs}, for mine" in done.stdout and f"in {project}, for fused_dot" in done.stdout
    held = old_rows()
    assert held.pop("mine")["source_sha256"] == committed and list(held) == ["fused_dot"]


def old_rows():
    """What is recorded of the rows of a revision, by the row that is held against them."""
    record = json.loads(pathlib.Path("results/checked/run.json").read_text())
    return {row.partition("@")[0]: about for row, about in record["engines"].items() if "@" in row}


def test_a2_a_revision_that_one_of_them_lacks_is_named_with_it(project, theirs, check):
    mine = in_folder(theirs, "engines", "mine")
    commit(theirs)
    git(theirs, "tag", "only-theirs")
    git(project, "tag", "only-ours")
    both = ["--engine", mine, "--engine", "fused_dot"]
    for tag, lacking in (("only-theirs", project), ("only-ours", theirs)):
        done = check("--against", tag, *both)
        assert done.exit_code == 2 and f"no such revision in {lacking}" in done.stderr and done.stderr.count("\n") == 1
    assert not pathlib.Path("results").exists()


def test_a2_a_file_outside_any_repository_is_held_against_nothing_that_is_not_its_own(project, check, tmp_path):
    done = check("--against", "HEAD", "--engine", in_folder(tmp_path, "lone", "mine"), "--engine", "fused_dot")
    assert done.exit_code == 2 and "lone is not a git repository" in done.stderr


def test_a2_files_of_two_repositories(theirs, tmp_path, check):
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "-q")
    one, two = in_folder(theirs, "engines", "mine"), in_folder(other, "engines", "mine")
    commit(theirs)
    commit(other)
    done = check("--against", "HEAD", "--engine", one, "--engine", two, *QUICK)
    assert set(words()) == {"theirs/engines/mine", "other/engines/mine"} and done.exit_code == 0


# --------------------------------------------------------------------- 3. what a run takes along


@pytest.mark.parametrize(
    "text, files",
    [
        ("import helper\n", {"helper.py": RELU}),
        ("from helper import relu\nhelper = sys.modules['helper']\n", {"helper.py": RELU}),
        ("from . import helper\n", {"helper.py": RELU}),
        ("from .helper import relu\nclass helper:\n    relu = staticmethod(relu)\n", {"helper.py": RELU}),
        ("import helper\n", {"helper.py": "from deeper import relu\n", "deeper.py": RELU}),
        ("import helper\n", {"helper/__init__.py": "from .inner import relu\n", "helper/inner.py": RELU}),
        ("import helper.inner as helper\n", {"helper/inner.py": RELU}),
        ("import importlib\nhelper = importlib.import_module('helper')\n", {"helper.py": RELU}),
        ("import pathlib\nhelper = type(sys)('x')\n"
         "exec(pathlib.Path(__file__).with_name('code.txt').read_text(), helper.__dict__)\n", {"code.txt": RELU}),
        ("import pathlib\nhelper = type(sys)('x')\n"
         "exec((pathlib.Path(__file__).parent / 'data/code.txt').read_text(), helper.__dict__)\n", {"data/code.txt": RELU}),
        ("sys.path.insert(0, os.path.join(os.path.dirname(__file__), 'lib'))\nimport helper\n", {"lib/helper.py": RELU}),
    ],
)  # fmt: skip
def test_a3_what_stands_beside_an_engine_is_found_on_both_sides(theirs, check, text, files):
    mine = in_folder(theirs, "engines", "mine", text + HELPED.partition("\n")[2])
    for name, content in files.items():
        (theirs / "engines" / name).parent.mkdir(exist_ok=True)
        (theirs / "engines" / name).write_text(content)
    commit(theirs)
    done = check("--against", "HEAD", "--engine", mine, *QUICK)
    assert words() == {"mine": "INCONCLUSIVE"} or words() == {"mine": "PASS"}, done.output
    left = subprocess.run(["git", "status", "--porcelain", "--ignored"], cwd=theirs, capture_output=True, text=True)
    assert left.stdout == ""
    last = list(files)[-1]
    (theirs / "engines" / last).write_text(WRONG)
    done = check("--against", "HEAD", "--engine", mine, *QUICK, "--name", "wrong")
    assert words() == {"mine": "DIVERGED"}, done.output


def test_a3_a_helper_that_is_new_is_not_there_at_the_revision(theirs, check):
    mine = in_folder(theirs, "engines", "mine")
    commit(theirs)
    engine_file(theirs / "engines", "mine", HELPED)
    (theirs / "engines" / "helper.py").write_text(RELU)
    check("--against", "HEAD", "--engine", mine, *QUICK)
    assert words()["mine"] in ("PASS", "INCONCLUSIVE")


def test_a3_an_engine_edited_during_a_run_is_measured_as_it_was(tmp_path, small_run):
    mine = in_folder(tmp_path, "v", "mine", HELPED)
    helper = tmp_path / "v" / "helper.py"
    helper.write_text(RELU)

    def edit():
        rounds = pathlib.Path("results/small/rounds")
        while not list(rounds.glob("*.json")):
            time.sleep(0.01)
        helper.write_text(WRONG)
        pathlib.Path(mine).write_text("1 / 0\n")

    thread = threading.Thread(target=edit)
    thread.start()
    done = small_run("--engine", mine, "--rounds", 3)
    thread.join()
    assert done.exit_code == 0 and "bit-identical" in done.stdout, done.output


def test_a3_a_resumed_run_knows_the_helpers(tmp_path, small_run, bench_command):
    mine = in_folder(tmp_path, "v", "mine", HELPED)
    helper = tmp_path / "v" / "helper.py"
    helper.write_text(RELU)
    assert small_run("--engine", mine, "--rounds", 1).exit_code == 0
    assert bench_command("run", "--resume", "results/small").exit_code == 0
    helper.write_text(RELU + "# a comment more\n")
    done = bench_command("run", "--resume", "results/small")
    assert done.exit_code == 2 and "mine.py has changed" in done.stderr


def test_a3_a_helper_hides_no_module_and_no_other_engines_helper(tmp_path):
    for folder, number in (("one", 1), ("two", 2)):
        path = pathlib.Path(in_folder(tmp_path, folder, "mine", "import helper, random, bench\nassert random.random\n"
            "ENGINE = replace(summary=str(helper.NUMBER))\n"))  # fmt: skip
        (path.parent / "helper.py").write_text(f"NUMBER = {number}\n")
        (path.parent / "random.py").write_text("1 / 0\n")
        (path.parent / "bench.py").write_text("1 / 0\n")
        assert engines.load(str(path)).summary == str(number)
        assert not (path.parent / "__pycache__").exists()


def test_a3_a_changed_helper_is_another_engine_for_the_counts(tmp_path):
    from bench.host.gate import instructions
    from bench.host.measure.plan import Subject

    def files(folder, number):
        path = pathlib.Path(in_folder(tmp_path, folder, "mine", "import helper\nENGINE = replace()\n"))
        (path.parent / "helper.py").write_text(f"NUMBER = {number}\n")
        return instructions.files_of(Subject(str(path), ROOT))

    assert files("a", 1) == files("b", 1) != files("c", 2)
    assert instructions.files_of(Subject("tape", ROOT)) != instructions.files_of(Subject("reference", ROOT))


def test_a3_what_engines_share_is_part_of_each_that_imports_it(tmp_path):
    """For the checksum of a run's record, and for the gate, which counts the instructions of what was changed only."""
    from bench.host.gate import instructions
    from bench.host.measure.plan import Subject

    shutil.copytree(ROOT / "engines", tmp_path / "engines")
    shutil.copytree(ROOT / "bench", tmp_path / "bench")

    def signs(name):
        return engine_files.builtin(name, tmp_path).record.source_sha256, instructions.files_of(Subject(name, tmp_path))

    before = {name: signs(name) for name in engines.NAMES}
    with (tmp_path / "engines" / "source_writing.py").open("a") as shared:  # by way of written_products too
        shared.write("# changed\n")
    now = {name: signs(name) for name in engines.NAMES}
    same = [[one == other for one, other in zip(before[name], now[name])] for name in engines.NAMES]
    assert [name for name in engines.NAMES if before[name] != now[name]] == ["compiled", "compiled_unordered"]
    assert all(len(set(both)) == 1 for both in same)


def test_a3_a_page_about_a_run_is_not_made_of_an_engine_edited_since(tmp_path, small_run, bench_command):
    mine = in_folder(tmp_path, "v", "mine")
    assert small_run("--engine", mine, "--rounds", 1).exit_code == 0
    engine_file(tmp_path / "v", "mine", "ENGINE = replace(summary='edited since')\n")
    done = bench_command("explain", "small", "--seconds", "0.2", "--output", "page.md")
    assert done.exit_code == 2 and "mine.py has changed since small was measured" in done.stderr


def test_a3_an_engine_file_with_a_helper_is_profiled(tmp_path, bench_command, documents):
    mine = in_folder(tmp_path, "v", "mine", HELPED)
    (tmp_path / "v" / "helper.py").write_text(RELU)
    done = bench_command(
        "profile", mine, "--python", sys.executable, "--data", documents, *SMALL[:-2], "--seconds", "0.5"
    )
    assert done.exit_code == 0 and pathlib.Path("mine.svg").exists(), done.output


@pytest.mark.parametrize("command", [["train", "--steps", 1], ["generate", "--steps", 1]])
def test_a3_other_commands_find_a_helper_too(tmp_path, bench_command, documents, command):
    mine = in_folder(tmp_path, "v", "mine", HELPED)
    (tmp_path / "v" / "helper.py").write_text(RELU)
    done = bench_command(*command, "--engine", mine, "--data", documents, *SMALL[:-2], "--samples", 1)
    assert done.exit_code == 0, done.output


def test_a3_nothing_else_of_the_folder_is_copied(tmp_path):
    (tmp_path / "engine.py").write_text("import helper, missing, json\n'notes.txt' 'absent.txt'\nopen('data.bin')\n")
    for name in ("helper.py", "unused.py", "notes.txt", "data.bin", ".hidden.py"):
        (tmp_path / name).write_text("1\n")
    for folder in ("json", "unused_folder", "__pycache__"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.py").write_text("1\n")
    os.mkfifo(tmp_path / "missing.py")
    found = engine_files.gather(engine_files.OnDisk(tmp_path), "engine.py")
    assert set(found) == {"engine.py", "helper.py", "data.bin", "json/x.py"}


# --------------------------------------------------------------------- 4. removed and renamed


def test_a4_an_engine_that_is_gone_is_a_row(theirs, check):
    mine, other = in_folder(theirs, "engines", "mine"), in_folder(theirs, "engines", "other")
    in_folder(theirs, "elsewhere", "far")
    (theirs / "engines" / "helper.py").write_text("ENGINES = 1\n")
    commit(theirs)
    os.unlink(other)
    os.unlink(theirs / "engines" / "helper.py")
    os.unlink(theirs / "elsewhere" / "far.py")
    done = check("--against", "HEAD", "--engine", mine, *QUICK, "--junit-xml", "j.xml")
    assert words()["other"] == "REMOVED" and set(words()) == {"mine", "other"} and done.exit_code == 0
    assert "REMOVED" in pathlib.Path("j.xml").read_text()


@pytest.mark.parametrize("how", ["untracked", "staged", "committed", "another folder"])
def test_a4_a_renamed_engine_is_held_against_its_old_name(theirs, check, how):
    body = "# " + "\n# ".join(f"line {number}" for number in range(40)) + "\n"
    old = in_folder(theirs, "engines", "old", body + "ENGINE = replace()\n")
    commit(theirs)
    folder = "moved" if how == "another folder" else "engines"
    (theirs / folder).mkdir(exist_ok=True)
    new = engine_file(theirs / folder, "new", body + "ENGINE = replace(summary='new')\n")
    os.unlink(old)
    if how in ("staged", "committed"):
        git(theirs, "add", "-A")
    if how == "committed":
        git(theirs, "commit", "-qm", "renamed")
    against = "HEAD~1" if how == "committed" else "HEAD"
    before = subprocess.run(["git", "status", "--porcelain"], cwd=theirs, capture_output=True, text=True).stdout
    committed = subprocess.run(["git", "show", f"{against}:engines/old.py"], cwd=theirs, capture_output=True).stdout
    done = check("--against", against, "--engine", new, *QUICK)
    assert list(words()) == ["new"] and words()["new"] in ("PASS", "INCONCLUSIVE"), done.output
    assert "new was engines/old.py at " in done.stdout
    assert old_rows()["new"]["source_sha256"] == hashlib.sha256(committed).hexdigest()
    after = subprocess.run(["git", "status", "--porcelain"], cwd=theirs, capture_output=True, text=True).stdout
    assert before == after  # the user's index is as it was


def test_a4_a_built_in_engine_that_is_gone_or_renamed(project, check, monkeypatch):
    """At the revision fused_dot had another name, and one more engine was listed."""
    folder, listed = project / "engines", project / "engines" / "__init__.py"
    text = listed.read_text()
    listed.write_text(text.replace('"fused_dot",', '"old_dot",\n    "extra",'))
    shutil.move(folder / "fused_dot.py", folder / "old_dot.py")
    (folder / "old_dot.py").write_text((folder / "old_dot.py").read_text().replace('"fused_dot"', '"old_dot"', 1))
    shutil.copy(folder / "tape.py", folder / "extra.py")
    git(project, "add", "-A")
    git(project, "commit", "-qm", "old names")
    os.unlink(folder / "extra.py")
    os.unlink(folder / "old_dot.py")
    shutil.copy(pathlib.Path(engines.__file__).parent / "fused_dot.py", folder)
    listed.write_text(text)
    monkeypatch.setattr(engines, "NAMES", ("reference", "fused_dot"))
    done = check("--against", "HEAD", *QUICK)
    assert words()["extra"] == "REMOVED" and words()["fused_dot"] in ("PASS", "INCONCLUSIVE"), done.output
    assert "fused_dot was engines/old_dot.py at " in done.stdout and words()["tape"] == "REMOVED"
    assert "old_dot" not in words() and done.exit_code == 0


def test_a4_an_engine_that_a_run_on_disk_had_and_that_is_gone(small_run, check, monkeypatch, tmp_path):
    own = in_folder(tmp_path, "v", "own")
    assert (
        small_run("--from-start", "--engine", "fused_dot", "--engine", "tape", "--engine", own, "--rounds", 3).exit_code
        == 0
    )
    monkeypatch.setattr(engines, "NAMES", ("reference", "fused_dot"))
    check("--baseline", "small", *QUICK)
    assert words()["tape"] == "REMOVED" and set(words()) == {"fused_dot", "tape"}
    check("--baseline", "small", "--engine", "fused_dot", *QUICK, "--name", "one")
    assert set(words()) == {"fused_dot"}


def test_a4_an_engine_that_lost_its_literal_is_gone(theirs, check):
    mine, other = in_folder(theirs, "engines", "mine"), in_folder(theirs, "engines", "other")
    commit(theirs)
    pathlib.Path(other).write_text("# nothing left\n")
    check("--against", "HEAD", "--engine", mine, *QUICK)
    assert words()["other"] == "REMOVED"


def test_a4_removal_alone_measures_nothing(theirs, check):
    mine, other = in_folder(theirs, "engines", "mine"), in_folder(theirs, "engines", "other")
    commit(theirs)
    os.unlink(other)
    engine_file(theirs / "engines", "mine", "ENGINE = replace(unavailable='the moon is not full')\n")
    done = check("--against", "HEAD", "--engine", mine, *QUICK)
    assert words()["other"] == "REMOVED" and done.exit_code != 0


def test_a1_a_kept_run_of_files_of_one_name_is_read_again(bench_command, small_run, tmp_path):
    for folder in ("v1", "v2"):
        (tmp_path / folder).mkdir()
    files = [engine_file(tmp_path / folder, "engine", "ENGINE = replace()") for folder in ("v1", "v2")]
    assert small_run("--engine", files[0], "--engine", files[1]).exit_code == 0
    done = bench_command("show", "small")
    assert done.exit_code == 0, done.output
    assert "v1/engine" in done.stdout and "v2/engine" in done.stdout
    assert bench_command("report", "small").exit_code == 0
    assert bench_command("history").exit_code == 0


def test_a4_what_a_revision_lists_in_another_way(project, check, monkeypatch):
    listed = project / "engines" / "__init__.py"
    text = listed.read_text()
    listed.write_text(text + "\nNAMES = tuple(NAMES) + ()\n")
    shutil.copy(project / "engines" / "tape.py", project / "engines" / "extra.py")
    git(project, "add", "-A")
    git(project, "commit", "-qm", "computed")
    os.unlink(project / "engines" / "extra.py")
    monkeypatch.setattr(engines, "NAMES", ("reference", "fused_dot"))
    listed.write_text(
        text.replace("NAMES: Tuple[str, ...] = (", "NAMES: Tuple[str, ...] = tuple([").replace(
            '"native",\n)', '"native",\n])'
        )
    )
    git(project, "commit", "-qm", "no literal", "engines/__init__.py")
    (project / "engines" / "__init__.py").write_text(text)
    check("--against", "HEAD~1", *QUICK)
    assert words()["fused_dot"] in ("PASS", "INCONCLUSIVE") and "extra" not in words()  # it was not listed
    check("--against", "HEAD", *QUICK, "--name", "computed")
    assert words()["fused_dot"] in ("PASS", "INCONCLUSIVE") and words()["tape"] == "REMOVED"


def test_a3_a_file_that_this_python_cannot_read_brings_what_its_words_name(tmp_path):
    (tmp_path / "engine.py").write_text("import helper\nimport bench\nx = t'new syntax' if = 1\n")
    (tmp_path / "helper.py").write_text("BIG = 0x" + "f" * 9000 + "\n")
    (tmp_path / "bench.py").write_text("1\n")
    found = engine_files.gather(engine_files.OnDisk(tmp_path), "engine.py")
    assert set(found) == {"engine.py", "helper.py"}


def test_a3_a_helper_that_is_a_link_is_found_as_it_was(theirs, check):
    mine = in_folder(
        theirs, "engines", "mine", "import helper, package.inner\nENGINE = replace(relu=lambda x: helper.relu(x))\n"
    )
    (theirs / "common" / "package").mkdir(parents=True)
    (theirs / "common" / "one.py").write_text(RELU)
    (theirs / "common" / "package" / "inner.py").write_text("1\n")
    (theirs / "engines" / "helper.py").symlink_to("../common/one.py")
    (theirs / "engines" / "package").symlink_to("../common/package")
    link = theirs / "link.py"
    link.symlink_to("engines/mine.py")
    commit(theirs)
    (theirs / "common" / "one.py").write_text(RELU + "# edited since\n")
    for number, path in enumerate((mine, link)):
        check("--against", "HEAD", "--engine", path, *QUICK, "--name", f"c{number}")
        assert words()[path.stem if number else "mine"] in ("PASS", "INCONCLUSIVE")
    record = json.loads(pathlib.Path("results/c0/run.json").read_text())["engines"]
    assert len({about["source_sha256"] for row, about in record.items() if row != "reference"}) == 2


def test_a1_the_source_that_an_engine_generates_is_of_a_built_in_one(tmp_path, bench_command):
    done = bench_command("engines", "--source", in_folder(tmp_path, "v", "compiled"))
    assert done.exit_code == 2 and done.stderr.count("\n") == 1 and "no engine" in done.stderr
