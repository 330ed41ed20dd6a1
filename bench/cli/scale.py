"""The command ``microgpt-bench scale``."""

from __future__ import annotations

import dataclasses
import itertools
import pathlib
import sys
from typing import Any

import click

from bench.cli.ending import FOUND, INTERRUPTED, OK
from bench.cli.options import (
    FORMAT,
    RESULTS,
    Numbers,
    measuring_options,
    now,
    plan_record,
)
from bench.host import (
    datasets,
    interpreters,
    kinds,
    results,
    setup,
    tables,
)
from bench.host import scale as scaling
from bench.host.errors import UsageError
from bench.host.progress import RunProgress
from bench.host.workspace import Workspace
from bench.workload.config import Config
from bench.workload.data import DEFAULT, read_documents
from bench.workload.model_file import write_atomically


@click.command("scale")
@click.option("--n-embd", type=Numbers(), default="16,32,64", show_default=True, help="Widths of an activation.")
@click.option("--n-layer", type=Numbers(), default="1,2,4", show_default=True, help="Transformer layers.")
@click.option("--block-size", type=Numbers(), default="16,32,64", show_default=True, help="Positions of a document.")
@measuring_options("all", "the newest CPython found", 3, "1h", workload=False, steps=3)
@click.option(
    "--data", default=DEFAULT, show_default=True, metavar="NAME|PATH", help="Documents, joined to fill blocks."
)
@RESULTS
@click.option("--name", help="Of the run's folder.  [default: scale- with date and time]")
@click.option("--show", "shown", type=click.Path(path_type=pathlib.Path), metavar="RUN", help="Only print its tables.")
@FORMAT
def command(
    n_embd: list[int],
    n_layer: list[int],
    block_size: list[int],
    data: str,
    folder: pathlib.Path,
    name: str | None,
    shown: pathlib.Path | None,
    style: str,
    **options: Any,
) -> int:
    """How each engine's time grows with the model: one size at a time, all sizes of an engine in lockstep."""
    if shown is not None:
        found = scaling.load(kinds.find(shown, folder, ["scale"]))
    else:
        results.check_name(name)
        factors = dict(zip(scaling.FACTORS, (n_embd, n_layer, block_size)))
        scaling.check_factors(factors)
        for values in itertools.product(*factors.values()):
            Config(**dict(zip(factors, values)))  # type: ignore[arg-type]
        with Workspace() as workspace:
            joined = scaling.long_documents(read_documents(datasets.locate(data)), max(block_size))
            path = workspace.folder / "joined.txt"
            path.write_text("\n".join(joined) + "\n", encoding="utf-8")
            options["pythons"] = options["pythons"] or [interpreters.newest()]
            request = setup.Request(
                data=str(path),
                kind="scale",
                config=Config(),
                measuring=plan_record(options, 1),
                base=None,
                command=["microgpt-bench", *sys.argv[1:]],
                **options,
            )
            plan, record, _ = setup.prepare(request, workspace.folder)
            if len(plan.runtimes) > 1:
                raise UsageError("scale looks at one runtime: give one --python and no --env")
            # the file of long documents goes; what it was made from stays
            record = dataclasses.replace(
                record, workload=dataclasses.replace(record.workload, data=f"{data}, neighbours joined")
            )
            run = results.create(folder / (name or f"scale-{now()}"), record)
            workspace.lock(run.folder)
            with RunProgress(None) as progress:
                for line in record.notes:
                    progress.say(line)
                progress.say(f"{len(plan.engines)} engines at {len(scaling.sizes(factors))} sizes, into {run.folder}")
                try:
                    found = scaling.measure(plan, run, factors, progress)
                except KeyboardInterrupt:
                    progress.say(f"interrupted: the engines that were done are kept in {run.folder / 'scale.json'}")
                    return INTERRUPTED
        text = "\n\n".join(tables.render_table(table, "github") for table in scaling.tables(found))
        write_atomically(run.folder / "tables.md", text + "\n")
    if style == "json":
        click.echo(scaling.to_json(found))
    else:
        click.echo("\n\n".join(tables.render_table(table, style) for table in scaling.tables(found)))
    return OK if all(point.status in ("ok", "skipped") for point in found.points) else FOUND
