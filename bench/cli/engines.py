"""The command ``microgpt-bench engines``."""

from __future__ import annotations

import click

from bench.api import explaining
from bench.cli.ending import OK
from bench.host.pages import rendering


@click.command("engines")
@click.option("--source", metavar="NAME", help="Print the source that this engine generates for the default model.")
def command(source: str | None) -> int:
    """List the engines: the parent of each, what it changes, and the parity it promises."""
    if source is not None:
        click.echo(explaining.generated_source(source))
    else:
        click.echo(rendering.render_table(explaining.list_engines(), "plain", left=True))
    return OK
