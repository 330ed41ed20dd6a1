"""pyperformance's manifest, written anew: a benchmark for each engine that needs nothing but the standard library.

python pyperformance/manifest.py            # writes MANIFEST and the metafiles
python pyperformance/manifest.py --check    # says whether they are stale, and ends with 1 if so
"""

from __future__ import annotations

import ast
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import engines

HERE = pathlib.Path(__file__).resolve().parent
FOLDER = HERE / "bm_microgpt"
OWN = ("bench", "engines")
LOADERS = ("ctypes", "importlib")  # what an engine brings compiled code in with


def imported(engine: str) -> set[str]:
    """Names of the packages that an engine's file imports, wherever in it."""
    tree = ast.parse((HERE.parent / "engines" / f"{engine}.py").read_bytes())
    found = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    found |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    return {name.partition(".")[0] for name in found}


def benchmark(engine: str) -> str:
    """What pyperformance calls it."""
    return "microgpt" if engine == "reference" else f"microgpt_{engine}"


def files() -> dict[pathlib.Path, str]:
    """Each file's text."""
    packages = {name: imported(name) for name in engines.NAMES}
    standard = [name for name, found in packages.items() if found <= {*sys.stdlib_module_names, *OWN}]
    python = [name for name in standard if not packages[name].intersection(LOADERS)]
    rows = [f"{benchmark(name)}\t<local{'' if name == 'reference' else ':microgpt'}>" for name in standard]
    lines = [
        "# For `pyperformance run --manifest pyperformance/MANIFEST`: one benchmark an engine, all of the same program.",
        *("[benchmarks]", "", "name\tmetafile", *rows),
        *("", "[group default]", *map(benchmark, standard)),
        *("", "[group pure_python]", *map(benchmark, python)),
    ]
    found = {HERE / "MANIFEST": "\n".join(lines) + "\n"}
    for name in standard:
        if name != "reference":  # its metafile is pyproject.toml, which all others build on
            options = f'extra_opts = ["--engine", "{name}"]'
            text = f'[tool.pyperformance]\nname = "{benchmark(name)}"\ntags = "autograd"\n{options}\n'
            found[FOLDER / f"bm_{benchmark(name)}.toml"] = text
    return found


def stale() -> list[pathlib.Path]:
    """The files that are missing, or not as they would be written, or of no engine."""
    wanted = files()
    differ = [path for path, text in wanted.items() if not path.is_file() or path.read_text(encoding="utf-8") != text]
    return differ + sorted(set(FOLDER.glob("bm_*.toml")) - set(wanted))


def main() -> int:
    """Run from the command line."""
    found = stale()
    if sys.argv[1:] == ["--check"]:
        for path in found:
            print(f"{path.relative_to(HERE.parent)} is stale: run nox -s readme")
        return int(bool(found))
    wanted = files()
    for path in found:
        if path in wanted:
            path.write_text(wanted[path], encoding="utf-8")
        else:
            path.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
