"""The command ``microgpt-bench scale``."""

from __future__ import annotations

import pathlib
from typing import Any

import click

from bench.cli.ending import FOUND, OK
from bench.cli.options import FORMAT, RESULTS, measuring_options, request_from
from bench.cli.values import Numbers
from bench.host.measure import scale as scaling
from bench.host.measure.session import Session, now
from bench.host.pages import rendering
from bench.host.pages import scaling as pages
from bench.host.results import kinds, store
from bench.host.results import scaling as measurements
from bench.host.system import interpreters
from bench.workload.config import Config
from bench.workload.data import DEFAULT


@click.command("scale")
@click.option("--n-embd", type=Numbers(), default="16,32,64", show_default=True, help="Widths of the embeddings.")
@click.option("--n-layer", type=Numbers(), default="1,2,4", show_default=True, help="Numbers of transformer layers.")
@click.option("--block-size", type=Numbers(), default="16,32,64", show_default=True, help="Context lengths, in tokens.")
@measuring_options("all", "the newest CPython found", 3, "1h", workload=False, steps=3)
@click.option(
    "--data",
    default=DEFAULT,
    show_default=True,
    metavar="NAME|PATH",
    help="Training documents, joined to fill the context.",
)
@RESULTS
@click.option("--name", help="Name of the run's folder.  [default: scale- with date and time]")
@click.option(
    "--show", "shown", type=click.Path(path_type=pathlib.Path), metavar="RUN", help="Only print the tables of this run."
)
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
    """Measure how each engine's time grows with the model: one size at a time, all sizes of an engine in lockstep."""
    if shown is not None:
        scaled = measurements.load(kinds.find(shown, folder, ["scale"]))
    else:
        store.check_name(name)
        factors = dict(zip(measurements.FACTORS, (n_embd, n_layer, block_size)))
        measurements.check_factors(factors)
        options["pythons"] = options["pythons"] or [interpreters.newest()]
        request = request_from(data, options, kind="scale", config=Config())
        with Session() as session:
            scaled = scaling.run(session, request, factors, folder / (name or f"scale-{now()}"))
        rendering.keep(session.run.folder, rendering.render_tables(pages.tables(scaled), "github"))
    json = style == "json"
    click.echo(measurements.to_json(scaled) if json else rendering.render_tables(pages.tables(scaled), style))
    return OK if all(point.status in ("ok", "skipped") for point in scaled.points) else FOUND
