"""What stands between cog's markers in the project's Markdown: printed from the committed run and from the commands.

`nox -s readme` runs it; a test fails when a page is stale.
"""

import pathlib
import re

import click

from bench.host import cli, results, tables

ROOT = pathlib.Path(__file__).resolve().parent.parent
RUN = ROOT / "results" / "default"
LONG = ROOT / "results" / "long"
WIDTH = 100  # of help texts, in columns


def headline() -> None:
    """The committed run's plot and its table: speed over the reference, engines by runtimes."""
    run = results.load(RUN)
    if not run.good():
        raise SystemExit(f"{RUN} does not hold what it promises: measure again")
    print("![Speed of each engine over the reference, a point for each Python, on a logarithmic axis]"
          "(results/default/plots/speed.svg)\n")  # fmt: skip
    print(tables.render_table(tables.headline(run), "github"))
    print("\n![Speed of each engine over itself on the oldest Python, a line each](results/default/plots/versions.svg)")


def longer() -> None:
    """The speeds of the committed run of many steps."""
    run = results.load(LONG)
    if not run.good():
        raise SystemExit(f"{LONG} does not hold what it promises: measure again")
    print(tables.render_table(tables.headline(run), "github").split("\n", 2)[2])


def excerpt(runtime: str, *engines: str) -> None:
    """Some rows of one runtime's table, as the terminal shows them."""
    (table,) = (table for table in tables.tables(results.load(RUN)) if table.title == runtime)
    rows = [row for row in table.rows if row[0] in engines]
    if len(rows) != len(engines):
        raise SystemExit(f"{RUN} has not all of {', '.join(engines)} on {runtime}")
    print(f"```\n{tables.grid(table.headers, rows, 'plain')}\n```")


def commands() -> None:
    """Every command's --help."""
    with click.Context(cli.cli, info_name="microgpt-bench", terminal_width=WIDTH, max_content_width=WIDTH) as top:
        for name in cli.cli.list_commands(top):
            command = cli.cli.get_command(top, name)
            assert command is not None
            context = click.Context(command, top, name, terminal_width=WIDTH, max_content_width=WIDTH)
            print(f"## {name}\n\n```\n{re.sub(' +$', '', command.get_help(context), flags=re.M)}\n```\n")
