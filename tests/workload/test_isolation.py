"""The workload side runs on a bare interpreter: standard library only, this repository's modules only."""

import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
IMPORT_ALL = """
import importlib, pathlib, sys
root = pathlib.Path(sys.argv[1])
sys.path[:] = [str(root)] + [path for path in sys.path if path and "site-packages" not in path and "dist-packages" not in path]
import engines
from bench.workload import worker
for path in sorted((root / "bench" / "workload").rglob("*.py")):
    importlib.import_module(".".join(path.relative_to(root).with_suffix("").parts))
for name in engines.NAMES:
    assert engines.load(name).name == name
for name, module in sorted(sys.modules.items()):
    file = getattr(module, "__file__", None) or ""
    assert "site-packages" not in file and "dist-packages" not in file, name
    if name.split(".")[0] in ("bench", "engines"):
        assert pathlib.Path(file).resolve().is_relative_to(root) and not name.startswith("bench.host"), (name, file)
assert "bench.workload.ladder.ladder_model" in sys.modules
print("alone")
"""


def test_the_workload_side_imports_the_standard_library_only():
    done = subprocess.run(
        [sys.executable, "-s", "-S", "-c", IMPORT_ALL, str(ROOT)], capture_output=True, text=True, timeout=600
    )
    assert done.stdout.strip() == "alone", done.stderr


def test_bench_and_engines_are_this_repositorys():
    import bench
    import engines

    for module in (bench, engines):
        assert pathlib.Path(module.__file__).resolve().is_relative_to(ROOT)


def test_no_module_of_the_workload_side_hides_one_of_the_standard_library():
    if sys.version_info < (3, 10):
        return  # sys.stdlib_module_names came with 3.10; newer interpreters run the same files
    names = {path.stem for path in (ROOT / "bench" / "workload").glob("*.py")}
    assert not names & set(sys.stdlib_module_names)
