"""A run as one page: charts, tables and all that they need in a single HTML file that asks no network for anything."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from bench.host.pages import chart_parts, charts, gate_chart, peers, peers_chart, run_tables, wording
from bench.host.results import bases
from bench.host.results.peers import PeersRun, bad, peers_of
from bench.host.results.run import Run
from bench.host.results.verdicts import answer_of
from bench.host.system.errors import UsageError, needs_extra
from bench.workload.model_file import write_atomically

TEMPLATE = pathlib.Path(__file__).with_name("report.html.j2")
# Vega's shapes as paths in a square from -1 to 1, for the legend that the page itself has
PATHS = {
    "circle": "M-1 0a1 1 0 1 0 2 0a1 1 0 1 0-2 0Z",
    "square": "M-.9-.9h1.8v1.8h-1.8Z",
    "triangle-up": "M0-1 1 .9H-1Z",
    "diamond": "M0-1.1 1 0 0 1.1-1 0Z",
    "cross": "M-.35-1h.7v.65H1v.7H.35V1h-.7V.35H-1v-.7h.65Z",
    "triangle-down": "M0 1-1-.9H1Z",
    "triangle-right": "M1 0-.9-1v2Z",
    "triangle-left": "M-1 0 .9-1v2Z",
}


def _libraries() -> tuple[Any, Any]:
    """Jinja2 and vl-convert. Raises UsageError where they are missing, saying how to get them."""
    try:
        import jinja2
        import vl_convert
    except ImportError as error:
        raise needs_extra("reports", str(error.name)) from None
    return jinja2, vl_convert


def page(run: Run, over: str | None = None) -> str:
    """The whole report as HTML. ``over``: what speedups are relative to, as `bases.parse` reads it, or a row of peers.

    Raises UsageError for a run without rounds, for a base that it has not, and where a library is missing.
    """
    jinja2, vl_convert = _libraries()
    if not run.rounds:
        raise UsageError(f"{run.folder} has no finished round: go on with --resume {run.folder}")
    answer, beside = answer_of(run), peers_of(run)
    relative = bases.parse(run, over if beside is None else None)
    run_charts = _charts(run, over)
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":")}  # of tojson
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    text: str = template.render(
        run=run,
        good=good(run),
        verdict=verdict(run),
        gate=answer,
        preamble=[line for line in wording.preamble(run) if answer is None or line not in answer.table.above],
        legends=_legends(run, beside),
        charts=run_charts,
        tables=run_tables.tables(run, over=over) if beside is None else peers.tables(beside, over),
        legend=wording.legend(relative) if beside is None else [],
        about=_about(run, run_charts, beside),
        specs={chart.name: chart.spec for chart in run_charts},
        bundle=jinja2.utils.markupsafe.Markup(
            vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;").replace("</script", "<\\/script")
        ),
    )
    return text


def _charts(run: Run, over: str | None) -> list[chart_parts.Chart]:
    """Those that the run has something to show in: of a gate's run the gate's own, of one with peers the peers'."""
    if (beside := peers_of(run)) is not None:
        return peers_chart.peers_charts(beside, over)
    answer = answer_of(run)
    return charts.charts(run, bases.parse(run, over)) if answer is None else gate_chart.gate_charts(run, answer)


def _about(run: Run, run_charts: list[chart_parts.Chart], beside: PeersRun | None) -> dict[str, Any]:
    """What the page says of its charts: the run, and the Pythons whose values each of them has."""
    _, runtimes = chart_parts.names(run)
    return {
        "run": run.folder.name,
        "created": run.record.created,
        "whose": "" if beside is None else "engines ",  # programs beside them are on no Python in particular
        "cpython": runtimes != list(run.record.runtimes),  # their names are versions alone
        "pythons": {chart.name: chart_parts.pythons(run, chart) for chart in run_charts},
    }


def _legends(run: Run, beside: PeersRun | None) -> dict[str, list[dict[str, str]]]:
    """What can be hidden: engines, runtimes, and programs beside them, which the chart colours by kind."""
    engines, runtimes = chart_parts.names(run)
    found = {
        "engines": _legend(engines, {name: run.record.engines[name].summary for name in engines}),
        "runtimes": _legend(runtimes, dict(zip(runtimes, map(wording.runtime_line, run.record.runtimes.values())))),
    }
    if beside is None:
        return found
    names = [peer.name for peer in beside.record.peers]
    found |= {"programs": _legend(names, dict.fromkeys(names, "a program beside the engines"))}
    for kind, (colour, shape) in zip(("engines", "programs"), peers_chart.KINDS.values()):
        found[kind] = [{**entry, "colour": colour, "path": PATHS[shape]} for entry in found[kind]]
    return found


def _legend(names: list[str], about: Mapping[str, str]) -> list[dict[str, str]]:
    """Each name with its colour and the path of its shape, as the charts have them, and words about it."""
    shapes, colours = chart_parts.SHAPES, chart_parts.COLOURS
    return [
        {
            "name": name,
            "colour": colours[i % len(colours)],
            "path": PATHS[shapes[i % len(shapes)]],
            "about": f"{about[name]}. ",
        }
        for i, name in enumerate(names)
    ]


def good(run: Run) -> bool:
    """Did every cell that could run do well, and every program beside them?"""
    return (peers_of(run) or run).good()


def verdict(run: Run) -> str:
    """One line about the run's parity."""
    if (beside := peers_of(run)) is not None:
        failed = [peer.name for peer in beside.record.peers if bad(beside.record, peer.name)]
        if failed:
            return f"NOT all programs did well: {', '.join(failed)}"
    measured = [cell for cell in run.cells if run.status(cell)[0] != "skipped"]
    wrong = [cell for cell in measured if run.status(cell)[0] != "ok"] + run.parity_violations()
    if wrong:
        listed = ", ".join(dict.fromkeys(f"{engine} on {runtime}" for engine, runtime in wrong))
        return f"NOT all losses agree, or a cell failed: {listed}"
    return (
        f"all losses agree: {len(measured)} cells, every step of {len(run.rounds)} round{'s' * (len(run.rounds) != 1)}"
    )


def write_plots(
    run: Run,
    folder: pathlib.Path,
    style: str,
    wanted: Sequence[str] = (),
    over: str | None = None,
    width: int = 720,
) -> list[pathlib.Path]:
    """The charts wanted, or all, as files of a folder; the paths. ``over``: as of `page`. Raises UsageError.

    A file is NAME.svg or NAME.png, or with the Python in its name where the run has only one.
    """
    _, vl_convert = _libraries()
    if str(folder) == "-":
        raise UsageError("--plots needs a folder, as charts are several files: - means standard output")
    if not run.rounds:
        raise UsageError(f"{run.folder} has no finished round")
    run_charts = {chart.name: chart for chart in _charts(run, over)}
    for name in wanted:
        if name not in run_charts:
            raise UsageError(f"{run.folder.name} has no chart {name}: choose from {', '.join(run_charts)}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot make the folder {folder}: {error.strerror}") from None
    paths = []
    for name in wanted or run_charts:
        path = folder / f"{chart_parts.file_name(run, name)}.{style}"
        spec = chart_parts.picture(run, run_charts[name], width)
        write_atomically(
            path, vl_convert.vegalite_to_svg(spec) if style == "svg" else vl_convert.vegalite_to_png(spec, scale=2)
        )
        paths.append(path)
    return paths
