"""Finding interpreters without their being active, and saying quickly what is missing."""

import os
import stat
import subprocess
import sys

import pytest

from bench.host.pages.wording import runtime_line
from bench.host.results.records import RuntimeRecord
from bench.host.system import interpreters, search_path
from bench.host.system.errors import UsageError
from bench.workload import runtime
from tests.conftest import ROOT


def test_the_running_interpreter_by_path():
    found = interpreters.resolve(sys.executable, {})
    assert found.name == runtime.name_of(runtime.describe())
    assert found.described["build"] == sys.version.replace("\n", " ")


def test_a_script_that_starts_a_python_is_a_launcher_and_said_to_be_one(tmp_path):
    script = tmp_path / "pinned"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    found = interpreters.resolve(f"one={script}", {})
    assert (
        found.described["launcher"] == "pinned" and interpreters.resolve(sys.executable, {}).described["launcher"] == ""
    )
    record = RuntimeRecord(found.specification, found.environment, found.described)
    assert "started by the launcher pinned" in runtime_line(record)
    # with a switch it still is one
    assert interpreters.with_switches(found, {"PYTHONOPTIMIZE": "1"}).described["launcher"] == "pinned"


def with_pyston(tmp_path):
    """A Python that loads a module of pyston_lite's name at its start, unless it is told not to."""
    (tmp_path / "pyston_lite.py").write_text("__version__ = '9.9'\n")
    (tmp_path / "sitecustomize.py").write_text(
        "import os\nif 'DISABLE_PYSTON' not in os.environ:\n    import pyston_lite\n"
    )
    script = tmp_path / "python-with-pyston"
    script.write_text(f'#!/bin/sh\nPYTHONPATH="{tmp_path}" exec "{sys.executable}" "$@"\n')
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return str(script)


def test_a_loaded_jit_is_switched_off_as_it_says_itself(tmp_path):
    loaded = interpreters.resolve(with_pyston(tmp_path), {})
    assert loaded.name.endswith("+pyston_lite")
    off = interpreters.with_switches(loaded, {"DISABLE_PYSTON": "1"})
    assert off.described["other_jits"] == "" and off.name == f"{loaded.name}+DISABLE_PYSTON=1"


@pytest.mark.parametrize("switch", ["DISABLE_PYSTON", "CINDERX_JIT_AUTO", "CINDERX_JIT_DISABLE", "CINDERX_DISABLE"])
def test_a_switch_of_a_jit_that_is_not_there_is_refused(switch):
    with pytest.raises(UsageError, match=f"{switch}=1 has no effect on .*, which says other_jits: none"):
        interpreters.with_switches(interpreters.resolve(sys.executable, {}), {switch: "1"})


def with_cinderx(tmp_path):
    """A Python that loads a module of CinderX's name at its start, which reads two variables and says if it compiles."""
    (tmp_path / "cinderx.py").write_text(
        "import os\n__version__ = '9.9'\nhuge = os.environ.get('CINDERX_JIT_HUGE_PAGES')\n"
        "def is_enabled():\n    return 'CINDERX_JIT_DISABLE' not in os.environ\n"
    )
    (tmp_path / "sitecustomize.py").write_text("import cinderx\n")
    script = tmp_path / "python-with-cinderx"
    script.write_text(f'#!/bin/sh\nPYTHONPATH="{tmp_path}" exec "{sys.executable}" "$@"\n')
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return str(script)


def test_a_variable_that_the_loaded_jit_does_not_read_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("CINDERX_JIT_DISABLE", "1")  # of the host: a runtime hears nothing of it
    loaded = interpreters.resolve(with_cinderx(tmp_path), {})
    assert loaded.described["other_jits"] == "cinderx 9.9 on"
    assert interpreters.with_switches(loaded, {"CINDERX_JIT_HUGE_PAGES": "1"}).name.endswith(
        "+CINDERX_JIT_HUGE_PAGES=1"
    )
    for name in ("CINDERX_JIT_HUGE_PAGE", "CINDERX_JIT_HUGE_PAGES_X", "CINDERX_HUGE"):
        with pytest.raises(
            UsageError, match=f"{name}=1 has no effect on .*: nothing that is loaded there reads {name}"
        ):
            interpreters.with_switches(loaded, {name: "1"})
    with pytest.raises(UsageError, match="CINDERX_JIT_HUGE_PAGES=1 has no effect on"):
        interpreters.with_switches(interpreters.resolve(sys.executable, {}), {"CINDERX_JIT_HUGE_PAGES": "1"})


def test_a_name_of_ones_own():
    assert interpreters.resolve(f"mine={sys.executable}", {}).name == "mine"
    with pytest.raises(UsageError, match="may contain only letters"):
        interpreters.resolve(f"a b={sys.executable}", {})


def test_pyenvs_interpreters_are_on_the_extended_path_newest_first(tmp_path):
    for version in ("3.9.1", "3.10.2"):
        (tmp_path / "versions" / version / "bin").mkdir(parents=True)
    path = search_path.extended_path({"PATH": "/somewhere", "PYENV_ROOT": str(tmp_path)})
    assert path.split(os.pathsep) == ["/somewhere", *(f"{tmp_path}/versions/{v}/bin" for v in ("3.10.2", "3.9.1"))]


def test_an_interpreter_that_is_too_old(tmp_path):
    fake = tmp_path / "python2"
    fake.write_text("""#!/bin/sh\nfor mark; do :; done\necho "$mark"'{"python": "2.7.18"}'\n""")
    fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
    with pytest.raises(UsageError, match=r"is Python 2\.7\.18: the workload needs 3\.9 or newer"):
        interpreters.resolve(str(fake), {})


def test_runtimes_of_the_same_name_are_told_apart():
    one = interpreters.resolve(sys.executable, {})
    assert [r.name for r in interpreters.with_distinct_names([one, one, one])] == [
        one.name,
        f"{one.name}#2",
        f"{one.name}#3",
    ]


def test_the_default_matrix_is_the_classifiers():
    assert interpreters.default_versions() == ["3.10", "3.11", "3.12", "3.13", "3.14", "3.15"]


def test_a_worker_hears_nothing_of_the_hosts_python_settings(monkeypatch):
    monkeypatch.setenv("PYTHONHASHSEED", "0")
    monkeypatch.setenv("PYTHON_GIL", "0")
    environment = interpreters.worker_environment({"PYTHON_JIT": "1"})
    assert {name: value for name, value in environment.items() if name.startswith("PYTHON")} == {"PYTHON_JIT": "1"}


@pytest.mark.parametrize(
    "described, name",
    [
        ({}, "cpython-3.14"),
        ({"free_threaded": True, "gil": False}, "cpython-3.14t"),
        ({"free_threaded": True}, "cpython-3.14t+gil"),
        ({"jit": "on"}, "cpython-3.14+jit"),
        ({"debug": True}, "cpython-3.14d"),
        ({"implementation": "pypy", "python": "3.11.9"}, "pypy-3.11"),
    ],
)
def test_names_of_runtimes(described, name):
    plain = {
        "implementation": "cpython",
        "python": "3.14.2",
        "free_threaded": False,
        "gil": True,
        "jit": "off",
        "debug": False,
    }
    assert runtime.name_of({**plain, **described}) == name


def test_the_noxfile_finds_interpreters_without_our_dependencies():
    code = "import sys; sys.path.insert(0, sys.argv[1]); from bench.host.system.search_path import extended_path; extended_path()"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code, str(ROOT)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "from bench.host.system.search_path import extended_path" in (ROOT / "noxfile.py").read_text()
    assert (ROOT / "noxfile.py").read_text().count("from bench") == 1
