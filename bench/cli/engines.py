"""The command ``microgpt-bench engines``."""

from __future__ import annotations

import click

from bench.cli.ending import OK
from bench.host.measure.training import generated_source
from bench.host.pages import engine_list, rendering


@click.command("engines")
@click.option("--source", metavar="NAME", help="Print the source that this engine generates for the default model.")
def command(source: str | None) -> int:
    """List the engines: the parent of each, what it changes, and the parity it promises."""
    if source is not None:
        click.echo(generated_source(source))
    else:
        click.echo(rendering.render_table(engine_list.table(), "plain", left=True))
    return OK
