"""The command ``microgpt-bench engines``."""

from __future__ import annotations

import importlib

import click

import engines
from bench.cli.ending import OK
from bench.host.pages import rendering
from bench.host.results.table import Table
from bench.host.system.errors import UsageError
from bench.workload.trainer import Trainer


@click.command("engines")
@click.option("--source", metavar="NAME", help="Print the source that this engine generates for the default model.")
def command(source: str | None) -> int:
    """List the engines: the parent of each, what it changes, and the parity it promises."""
    if source is not None:
        engines.check_name(source)
        engine = engines.load(source)
        generated = getattr(importlib.import_module(f"engines.{source}"), "generated", None)
        if generated is None:
            raise UsageError(f"{source} generates no source; compiled does")
        trainer = Trainer(engine)
        trainer.step()
        trainer.generate(1)
        click.echo("\n\n".join(text.rstrip() for _, text in sorted(generated().items())))
        return OK
    rows = []
    for name in engines.NAMES:
        engine = engines.load(name)
        rows.append([name, engine.parent or "", engine.parity.value, engine.summary, engine.unavailable or "yes"])
    table = Table("Engines", [], ["name", "parent", "parity", "summary", "available here"], rows, [])
    click.echo(rendering.render_table(table, "plain", left=True))
    return OK
