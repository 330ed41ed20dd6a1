"""The README and the pages beside it: what commands write into them is not stale, links lead somewhere, all is documented."""

import ast
import pathlib
import re
import subprocess
import sys

import pytest

import bench
from bench.host.results import store

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("results/*.md"), *ROOT.glob("results/*/*.md")]
SOURCES = [*ROOT.glob("bench/**/*.py"), *ROOT.glob("engines/*.py"), *ROOT.glob("docs/*.py"), ROOT / "noxfile.py"]


def cog(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "cogapp", "-P", "-p", "from docs.blocks import *", "-I", ".", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
    )


@pytest.mark.newest
@pytest.mark.parametrize(
    "page",
    [
        "README.md",
        "docs/commands.md",
        "docs/reading.md",
        "docs/ecosystem.md",
        "results/agreement.md",
        "results/builds.md",
        "results/runtimes.md",
        "results/threads.md",
    ],
)
def test_written_parts_are_the_committed_runs(page, tmp_path):
    pytest.importorskip("cogapp")
    done = cog("--check", page)
    assert done.returncode == 0, f"{page} is stale: run nox -s readme\n{done.stdout}{done.stderr}"
    stale = tmp_path / "stale.md"
    stale.write_text(re.sub(r"(\[\[\[cog \w+\([^\]]*\]\]\] -->\n).", r"\1x", (ROOT / page).read_text(encoding="utf-8")))
    assert cog("--check", str(stale)).returncode != 0


@pytest.mark.newest
def test_the_claims_are_those_of_the_registry_and_the_committed_runs(monkeypatch):
    monkeypatch.chdir(ROOT)
    committed = (ROOT / "results" / "claims.md").read_text(encoding="utf-8")
    command = re.search(r"Made by `microgpt-bench claims ([^`]*)`", committed)[1]
    runs, _, peers = command.partition(" --peers ")
    assert bench.claims(*runs.split(), peers=peers.split(" --peers ")) == committed, (
        f"run microgpt-bench claims {command}"
    )


def test_the_plots_are_the_committed_runs():
    run = store.load(ROOT / "results" / "default")
    assert run.good()
    for plot in re.findall(r"!\[[^]]*\]\((results/[^)]*)\)", (ROOT / "README.md").read_text(encoding="utf-8")):
        text = (ROOT / plot).read_text(encoding="utf-8")
        assert run.record.created in text, f"{plot} is of another run: run nox -s readme"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.S)
    targets = [target.partition("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", text)]
    missing = [target for target in targets if "://" not in target and target and not (page.parent / target).exists()]
    assert not missing


def undocumented(tree):
    """Names of public functions, methods and classes without a docstring; variants for type checkers need none."""
    if ast.get_docstring(tree) is None and not isinstance(tree, ast.Module):
        yield tree.name
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
            if isinstance(node, ast.ClassDef):
                yield from undocumented(node)
            elif ast.get_docstring(node) is None and "overload" not in map(ast.unparse, node.decorator_list):
                yield node.name


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_public_name_is_documented(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree), "the module says nothing of itself"
    if path.parent.name == "engines":
        return  # an op's meaning stands in the contract, once
    assert not list(undocumented(tree))


def test_every_command_has_a_session_or_a_page():
    """A command that nothing but its --help speaks of is not found by anybody."""
    from bench.cli.main import COMMANDS

    prose = "".join(page.read_text(encoding="utf-8") for page in PAGES if page.name != "commands.md")
    assert not [name for name in COMMANDS if not re.search(rf"(microgpt-bench|nox -s) {name}\b", prose)]


def test_the_citation_has_the_version_of_the_project():
    version = re.search(r'^version = "(.*)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.M)[1]
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert version in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
