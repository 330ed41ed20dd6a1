"""Files and functions short enough to be read at once. The arrows between the rooms are import-linter's, in nox -s lint."""

import ast

import pytest

from bench.host.system.interpreters import ROOT

MODULES = sorted(path for room in ("host", "api", "cli") for path in ROOT.glob(f"bench/{room}/**/*.py"))
MODULE_LINES, FUNCTION_LINES = 300, 60


@pytest.mark.parametrize("path", MODULES, ids=[str(path.relative_to(ROOT / "bench")) for path in MODULES])
def test_modules_and_functions_are_short(path):
    source = path.read_text(encoding="utf-8")
    assert len(source.splitlines()) <= MODULE_LINES
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef):
            assert node.end_lineno - node.lineno + 1 <= FUNCTION_LINES, node.name
