"""``microgpt-bench``, or ``python -m microgpt_bench``: the command line of the package bench beside this file.

A repository may have a package bench of its own, and the working folder or PYTHONPATH would have it imported instead.
"""

from __future__ import annotations

import importlib.util
import pathlib
import sys
import traceback
from typing import NoReturn

INTERNAL = 70  # the exit status of a fault of ours, as bench.cli.ending has it


def main() -> None:
    """Import bench from beside this file, whatever else has that name, and run the command line."""
    folder = pathlib.Path(__file__).resolve().parent / "bench"
    spec = importlib.util.spec_from_file_location("bench", folder / "__init__.py")
    if spec is None or spec.loader is None:
        _missing(folder)
    package = sys.modules["bench"] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(package)
        from bench.__main__ import main as run
    except KeyboardInterrupt:
        sys.exit(130)
    except FileNotFoundError:
        _missing(folder)
    except Exception:
        traceback.print_exc()
        print(
            "microgpt-bench: this is an error of microgpt-bench itself: report it with the lines above", file=sys.stderr
        )
        sys.exit(INTERNAL)
    run()


def _missing(folder: pathlib.Path) -> NoReturn:
    print(f"microgpt-bench: {folder} is missing: install it again", file=sys.stderr)
    sys.exit(INTERNAL)


if __name__ == "__main__":
    main()
