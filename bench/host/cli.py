"""The command line: ``microgpt-bench``, the same as ``python -m bench``."""

from __future__ import annotations

import dataclasses
import datetime
import importlib
import itertools
import json
import pathlib
import sys
from collections.abc import Callable
from typing import Any

import click
from click.core import ParameterSource

import engines
from bench.host import calibrate as calibrating
from bench.host import (
    checking,
    counters,
    datasets,
    ending,
    engine_files,
    interpreters,
    kinds,
    lockstep,
    peer_file,
    results,
    setup,
    signals,
    tables,
    targets,
    training,
    workflow,
)
from bench.host import claims as claiming
from bench.host import compare as comparing
from bench.host import explain as explaining
from bench.host import gate as gating
from bench.host import history as historical
from bench.host import holds as holding
from bench.host import ladder as climbing
from bench.host import peers as peering
from bench.host import profile as profiling
from bench.host import report as reporting
from bench.host import revision as revisions
from bench.host import scale as scaling
from bench.host.deadline import Deadline
from bench.host.ending import FOUND, INTERRUPTED, OK
from bench.host.errors import UsageError
from bench.host.options import (
    BASE,
    FORMAT,
    RESULTS,
    WORKLOAD,
    Finite,
    Numbers,
    Seconds,
    Whole,
    check_arguments,
    config_from,
    list_data,
    measuring_options,
    plan_record,
    workload_options,
)
from bench.host.progress import PREPARING, RunProgress
from bench.host.results import PlanRecord
from bench.host.verdict import Gate
from bench.host.workspace import Workspace
from bench.workload import ladder, model_file
from bench.workload.config import Config, WorkloadError
from bench.workload.data import DEFAULT, read_documents
from bench.workload.generation import Sampling
from bench.workload.generators import seeded
from bench.workload.model import Model
from bench.workload.model_file import write_atomically
from bench.workload.trainer import Trainer


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="microgpt-bench")
def cli() -> None:
    """What each way of writing a scalar autograd engine costs on each Python runtime, with proof that the losses agree.

    Exit status: 0 all measured and agreed, 1 a cell diverged, failed or broke its promise, 2 bad input, 70 an error of
    microgpt-bench itself, 130 interrupted; check has its own.
    """


@cli.command()
@measuring_options("all", "every CPython 3.10 to 3.15 found", 5, "5m")
@RESULTS
@click.option("--name", help="Of the run's folder.  [default: date and time]")
@click.option(
    "--resume",
    type=click.Path(path_type=pathlib.Path),
    metavar="RUN",
    help="Go on with an interrupted run; other options are its own.",
)
@FORMAT
@BASE
def run(
    data: str,
    folder: pathlib.Path,
    name: str | None,
    resume: pathlib.Path | None,
    style: str,
    base: str | None,
    **options: Any,
) -> int:
    """Measure engines on runtimes in lockstep and print the tables."""
    results.check_name(name)
    with Workspace() as workspace:
        if resume is not None:
            found = kinds.find(resume, folder)
            workspace.lock(found)
            plan, measured = setup.resume(found, workspace.folder)
            missing: list[str] = []
        else:
            request = setup.Request(
                data=data,
                config=config_from(options),
                measuring=plan_record(options, 1),
                base=base,
                command=["microgpt-bench", *sys.argv[1:]],
                **options,
            )
            with RunProgress(None, doing=PREPARING):
                plan, record, missing = setup.prepare(request, workspace.folder)
            record = dataclasses.replace(record, notes=[*record.notes, *calibrating.note(folder)])
            measured = results.create(folder / (name or _now()), record)
            workspace.lock(measured.folder)
        with RunProgress(plan.orders(len(measured.rounds))) as progress:
            for line in missing:
                progress.say(line)
            progress.say(
                f"{len(plan.engines)} engines on {', '.join(measured.record.runtimes)}, into {measured.folder}"
            )
            try:
                lockstep.measure(plan, measured, progress)
            except KeyboardInterrupt:
                progress.say(
                    f"interrupted: {len(measured.rounds)} of {plan.record.rounds} rounds are kept;"
                    f" go on with: microgpt-bench run --resume {measured.folder}"
                )
                return INTERRUPTED
    write_atomically(measured.folder / "tables.md", tables.render(measured, "github", base) + "\n")
    click.echo(tables.render(measured, style, base))
    click.echo(f"kept in {measured.folder}", err=True)
    return OK if measured.good() else FOUND


@cli.command()
@click.option(
    "--against",
    "revision",
    metavar="REV",
    help="Hold each engine against itself at this git revision, measured in the same rounds.  [default in a workflow:"
    " a pull request's base, the commit before a push]",
)
@click.option(
    "--against-python",
    "base_python",
    metavar="[NAME=]VERSION|PATH",
    help="Hold each engine against itself on this runtime, such as another build: is Python itself slower?",
)
@click.option(
    "--baseline",
    type=click.Path(path_type=pathlib.Path),
    metavar="RUN",
    help="Hold each engine's speed over the reference against what it was in this run.  [default: the committed run]",
)
@measuring_options("all", "the newest CPython found", None, "5m")
@click.option(
    "--threshold",
    type=Finite(0),
    help="Share of a step's time that may be added.  [default: 0.01 against a revision, 0.1 against a run, 0.25"
    " against the committed one]",
)
@click.option(
    "--instructions/--no-instructions",
    default=True,
    show_default=True,
    help="Against a revision, also count the instructions of what was changed, under Valgrind, after the timing: 30 %"
    " of the time is kept for it.",
)
@click.option(
    "--hold",
    "held_options",
    multiple=True,
    metavar="NAME=SHARE|off",
    help="What is held beside time, and how much may be added: memory, nodes, start-up, samples, waiting; repeatable."
    "  [default: memory 0.1, nodes 0.01, start-up 0.25, samples 0.05, waiting 0.02]",
)
@click.option("--strict", is_flag=True, help="Exit with 3 where a cell could not be decided.")
@click.option("--anyway", is_flag=True, help="Against a run of another machine or build too; the table says so.")
@click.option(
    "--inject",
    "injected",
    multiple=True,
    metavar="ENGINE=SHARE",
    help="Slow an engine down, as in combined=0.05, to see the gate find it; repeatable.",
)
@click.option("--junit-xml", "junit", type=targets.Target(), metavar="FILE", help="For CI servers.")
@click.option("--json", "json_file", type=targets.Target(), metavar="FILE", help="For programs.")
@RESULTS
@click.option("--name", help="Of the run's folder.  [default: check- with date and time]")
@FORMAT
def check(
    revision: str | None,
    base_python: str | None,
    baseline: pathlib.Path | None,
    threshold: float | None,
    instructions: bool,
    held_options: tuple[str, ...],
    strict: bool,
    anyway: bool,
    injected: tuple[str, ...],
    junit: pathlib.Path | None,
    json_file: pathlib.Path | None,
    folder: pathlib.Path,
    name: str | None,
    style: str,
    data: str,
    **options: Any,
) -> int:
    """The gate: has an engine become slower, or wrong?

    Exit status: 0 no, 1 a regression or a divergence, 2 bad input or nothing measured, 3 undecided and --strict,
    70 an error of microgpt-bench itself, 130 interrupted.
    """
    results.check_name(name)
    for path in (junit, json_file):
        if path is not None:
            targets.check(path)
    if sum(way is not None for way in (revision, base_python, baseline)) > 1:
        raise UsageError("--against, --against-python and --baseline each say what to hold against: give one of them")
    if revision is None and base_python is None and baseline is None:
        revision = workflow.base(options["engine_names"])
    with Workspace() as workspace:
        notes: list[str] = []
        against, held_run, default_threshold = "", None, 0.01
        if not options["pythons"]:
            options["pythons"] = [interpreters.newest()]
        if base_python is not None:
            instructions = False  # of two builds, counts say little
            options["pythons"] = [*options["pythons"], base_python]
        elif revision is None:
            held_run = results.load(checking.CLAIMS if baseline is None else kinds.find(baseline, folder))
            against, default_threshold = held_run.folder.name, 0.25 if baseline is None else 0.1
        gate = Gate(default_threshold if threshold is None else threshold)
        way = "python" if base_python is not None else "run" if held_run is not None else "revision"
        quantities = holding.choose(held_options, way)
        request = setup.Request(
            data=data,
            kind="check",
            config=config_from(options),
            measuring=plan_record(options, 2 * gate.looks[-1]),
            base=None,
            command=["microgpt-bench", *sys.argv[1:]],
            against=revision,
            slowdowns=dict(_parse_injection(text) for text in injected),
            **options,
        )
        with RunProgress(None, doing=PREPARING):
            plan, record, missing = setup.prepare(request, workspace.folder)
        record = dataclasses.replace(record, notes=[*record.notes, *calibrating.note(folder)])
        if base_python is not None:
            against = plan.runtimes[-1].name
            left: list[checking.Row] = []
            helds = checking.against_python(plan, against)
        elif plan.before is not None:
            against = plan.before.label
            helds, left = checking.against_revision(plan, plan.before)
            notes += plan.before.notes
        else:
            assert held_run is not None
            helds, left, guards = checking.against_run(
                plan, record, held_run, anyway or baseline is None, all_builtin=not request.engine_names
            )
            notes += guards
        helds = checking.asked_for(helds, request.engine_names)
        notes += [*record.notes, *(f"injected: {text}" for text in injected)]
        measured = results.create(folder / (name or f"check-{_now()}"), record)
        workspace.lock(measured.folder)
        with RunProgress(None) as progress:
            for line in missing:
                progress.say(line)
            progress.say(f"{len(helds)} cell{'s' * (len(helds) != 1)} against {against}, into {measured.folder}")
            try:
                new = [(row.engine, row.runtime) for row in left if row.word == "NEW"]
                counts = instructions and held_run is None
                reserve = gating.COUNT_SHARE if counts and gating.to_count(plan, helds) else 0.0
                judgements = gating.decide(plan, measured, helds, gate, progress, new, quantities, reserve)
                if counts:
                    judgements, not_counted = gating.count_instructions(plan, measured, judgements, progress)
                    notes += not_counted
            except KeyboardInterrupt:
                progress.say(f"interrupted, so no verdict; {len(measured.rounds)} rounds are kept in {measured.folder}")
                return INTERRUPTED
    held_too = checking.held_too(judgements, measured, quantities, gate, held_run)
    found = [*checking.rows(judgements, measured, against, held_too), *checking.new_rows(left, measured)]
    found += checking.held_rows(held_too, against)
    notes = [line for line in notes if line]
    table = checking.table(found, gate, measured, against, notes, strict, quantities)
    text = checking.to_json(found, gate, measured, against, strict, table)
    write_atomically(measured.folder / checking.ANSWER, text)
    unwritten: UsageError | None = None
    try:
        if json_file is not None:
            targets.write(json_file, text)
        if junit is not None:
            checking.write_junit(junit, found, against, strict)
    except OSError as error:
        unwritten = UsageError(f"the verdicts above cannot be written to {error.filename}: {error.strerror}")
    click.echo(text if style == "json" else tables.render_table(table, style))
    if why_not := checking.append_step_summary(tables.render_table(table, "github")):
        click.echo(why_not, err=True)
    if unwritten is not None:
        raise unwritten
    return checking.exit_status(found, strict)


def _parse_slowdown(text: str) -> tuple[float, float]:
    share, _, times = text.partition(":")
    try:
        parsed = float(share), float(times or 1)
    except ValueError:
        parsed = 0.0, 0.0
    if not 0 < parsed[0] <= 10 or not 0 < parsed[1] <= 1000:
        raise UsageError(f"--slowdown {text!r} is not SHARE[:TIMES], as in 0.05 or 0.02:4")
    return parsed


def _parse_injection(text: str) -> tuple[str, float]:
    engine, _, share = text.rpartition("=")
    try:
        slowdown = float(share)
    except ValueError:
        slowdown = -1.0
    if not engine or not 0 <= slowdown <= 10:
        raise UsageError(f"--inject {text!r} is not ENGINE=SHARE, a share of a step's time as in combined=0.05")
    return engine, slowdown


@cli.command()
@click.option("--engine", default="combined", show_default=True, metavar="NAME|FILE.py", help="Engine to try it with.")
@click.option("--python", metavar="[NAME=]VERSION|PATH", help="Runtime.  [default: the newest CPython found]")
@click.option("--equal", type=Whole(0), default=24, show_default=True, help="Trials of two equal copies.")
@click.option(
    "--slowdown",
    "slowdowns",
    multiple=True,
    metavar="SHARE[:TIMES]",
    default=("0.05", "0.02:4"),
    show_default=True,
    help="Injected into a copy, as a share of a step, to be found in so many times the budget; repeatable.",
)
@click.option("--trials", type=Whole(0), default=8, show_default=True, help="Trials of each slowdown.")
@click.option("--counts", type=Whole(0), default=0, show_default=True, help="Comparisons of instruction counts, too.")
@click.option("--more", type=Finite(0, 1, min_open=True), default=0.005, show_default=True, help="Put in, in those.")
@click.option("--burn", is_flag=True, help="Keep another core busy during half of the trials.")
@click.option("--add", is_flag=True, help="Add to this machine's calibration of the same engine and build.")
@click.option("--limit", type=Seconds(), default="20m", show_default=True, help="Stop then, with the trials made.")
@click.option("--threshold", type=Finite(0), default=0.01, show_default=True, help="The gate's.")
@click.option(
    "--budget",
    type=Seconds(),
    default="25s",
    show_default=True,
    help="Of a trial: about what one engine has in a check of all.",
)
@RESULTS
@FORMAT
def calibrate(
    engine: str,
    python: str | None,
    equal: int,
    slowdowns: tuple[str, ...],
    trials: int,
    counts: int,
    more: float,
    burn: bool,
    add: bool,
    limit: float,
    threshold: float,
    budget: float,
    folder: pathlib.Path,
    style: str,
) -> int:
    """Measure what this machine can see: the gate's false alarms, and the smallest slowdown that it finds."""
    gate = Gate(threshold)
    with Workspace() as workspace:
        request = setup.Request(
            data=DEFAULT,
            config=Config(),
            engine_names=[engine],
            pythons=[interpreters.newest() if python is None else python],
            measuring=PlanRecord(6, 0, 0.02, 60.0, budget, "on", order_seed=0, clock="cpu"),
            base=None,
            command=["microgpt-bench", *sys.argv[1:]],
        )
        plan, record, _ = setup.prepare(request, workspace.folder)
        plan = dataclasses.replace(plan, deadline=Deadline.of_command(limit))
        (row,) = engine_files.rows([engine])
        copies = min(calibrating.COPIES, max(1, equal // 2))
        wanted = {
            revisions.row_at(row, f"equal{number}"): calibrating.Wanted(0.0, (equal + number) // copies, budget)
            for number in range(copies)
        }
        for share, times in map(_parse_slowdown, slowdowns):
            wanted[revisions.row_at(row, f"{share:.2%}")] = calibrating.Wanted(share, trials, budget * times)
        for copy, want in wanted.items():
            plan.engines[copy] = dataclasses.replace(plan.engines[row], slowdown=want.slowdown)
        measured = results.Run(workspace.folder, record, [])  # of these rounds only the trials are kept
        path, runtime = calibrating.path_in(folder), plan.runtimes[0]
        calibrating.make_folder(path)
        workspace.lock(path.parent)

        def state(done: list[calibrating.Trial]) -> calibrating.Calibration:
            return calibrating.Calibration(
                results.SCHEMA,
                record.created,
                record.command,
                row,
                runtime.name,
                runtime.described["build"],
                record.plan.steps,
                budget,
                gate,
                record.machine,
                done,
                counted,
            )

        done: list[calibrating.Trial] = []
        counted: list[calibrating.CountTrial] = []

        if add and path.is_file():
            earlier = calibrating.before(path, state([]))
            done, counted = list(earlier.trials), list(earlier.counts)

        def save(found: list[calibrating.Trial]) -> None:
            calibrating.save(path, state(found))

        def save_counts(found: list[calibrating.CountTrial]) -> None:
            counted[:] = found
            calibrating.save(path, state(done))

        with RunProgress(None) as progress:
            for line in record.notes:
                progress.say(line)
            progress.say(f"{row} on {runtime.name}, into {path}; Ctrl-C keeps what is done")
            status = OK
            try:
                calibrating.measure(plan, measured, row, wanted, burn, gate, progress, save, done)
                if counts:
                    calibrating.measure_counts(plan, row, more, counts, workspace.folder, progress, save_counts)
            except KeyboardInterrupt:
                status = INTERRUPTED
    if not done and not counted:
        raise UsageError("no trial came to its end: give more time with --limit")
    calibration = calibrating.concluded(state(done))
    calibrating.save(path, calibration)
    found = calibrating.table(calibration)
    write_atomically(path.with_suffix(".md"), tables.render_table(found, "github") + "\n")
    if style == "json":
        click.echo(json.dumps(dataclasses.asdict(found), indent=1, ensure_ascii=False))
    else:
        click.echo(tables.render_table(found, style))
    return status


@cli.command()
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
def scale(
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
            run = results.create(folder / (name or f"scale-{_now()}"), record)
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


@cli.command()
@click.argument("run_folder", metavar="RUN", type=click.Path(path_type=pathlib.Path))
@RESULTS
@FORMAT
@BASE
@click.option("--headline", is_flag=True, help="Only the table of speeds over the reference.")
def show(run_folder: pathlib.Path, folder: pathlib.Path, style: str, base: str | None, headline: bool) -> int:
    """Print a run's tables again. RUN is a folder, the name of one under results/, or 'latest': the latest that run made."""
    measured = results.load(kinds.find(run_folder, folder))
    click.echo(
        tables.render_table(tables.headline(measured), style) if headline else tables.render(measured, style, base)
    )
    return OK if measured.good() else FOUND


@cli.command()
@click.argument("first", metavar="RUN[:RUNTIME]|FILE")
@click.argument("second", metavar="RUN[:RUNTIME]|FILE")
@RESULTS
@click.option(
    "--anyway",
    is_flag=True,
    help="Compare runs of other machines, builds, workloads or numbers of rounds too; the table says so.",
)
@FORMAT
def compare(first: str, second: str, folder: pathlib.Path, anyway: bool, style: str) -> int:
    """Compare two runs, two runtimes of one, or two pyperf files: how many times as fast the second is.

    Without runtimes: those of the same name. Two runtimes of one run were measured in lockstep and are paired.
    """
    found = comparing.compare(first, second, lambda path: kinds.find(path, folder), anyway)
    if style == "json":
        click.echo(json.dumps([dataclasses.asdict(table) for table in found], indent=1, ensure_ascii=False))
    else:
        click.echo("\n\n".join(tables.render_table(table, style) for table in found))
    return OK


@cli.command("peers")
@click.argument("file", metavar="[FILE.toml]", required=False, type=click.Path(path_type=pathlib.Path))
@measuring_options("reference", "the newest CPython found", 3, "10m", steps=100)
@RESULTS
@click.option("--name", help="Of the run's folder.  [default: peers- with date and time]")
@click.option("--base", metavar="ROW", help="What speeds are over.  [default: the reference]")
@click.option("--show", "shown", type=click.Path(path_type=pathlib.Path), metavar="RUN", help="Only print its table.")
@FORMAT
def run_peers(
    file: pathlib.Path | None,
    data: str,
    folder: pathlib.Path,
    name: str | None,
    base: str | None,
    shown: pathlib.Path | None,
    style: str,
    **options: Any,
) -> int:
    """Time other programs beside the engines, and check every loss that they print.

    FILE names the programs; examples/peers.toml shows how. Engines use the random numbers of the first one.
    """
    if (file is None) == (shown is None):
        raise UsageError("give a FILE that names programs, or --show RUN for the table of a run on disk")
    if shown is not None:
        measured, found = peering.load(kinds.find(shown, folder, ["peers"]))
    else:
        assert file is not None
        results.check_name(name)
        programs = peer_file.read_file(file)
        options["engine_names"] = options["engine_names"] or ["reference"]
        options["pythons"] = options["pythons"] or [interpreters.newest()]
        if not _given("rng"):
            options["rng"], options["gaussian"] = programs[0].rng, programs[0].gaussian
        if options["steps"] < 2:
            raise UsageError("--steps 1: the time of a step is the time between two lines, so give at least 2")
        config = config_from(options)
        with Workspace() as workspace:
            request = setup.Request(
                data=data,
                config=config,
                kind="peers",
                measuring=plan_record(options, 1),
                base=None,
                command=["microgpt-bench", *sys.argv[1:]],
                **options,
            )
            plan, record, _ = setup.prepare(request, workspace.folder)
            peering.check_rows(plan.cells, programs, base)
            measured = results.create(folder / (name or f"peers-{_now()}"), record)
            workspace.lock(measured.folder)
            with RunProgress(None) as progress:
                progress.say(f"{len(programs)} programs and {len(plan.cells)} cells, into {measured.folder}")
                try:
                    found = peering.measure(plan, measured, programs, file.parent, config, progress)
                except KeyboardInterrupt:
                    progress.say(f"interrupted: {len(measured.rounds)} rounds are kept in {measured.folder}")
                    return INTERRUPTED
        write_atomically(
            measured.folder / "tables.md", tables.render_table(peering.table(measured, found, base), "github") + "\n"
        )
    if style == "json":
        click.echo(peering.to_json(measured, found))
    else:
        click.echo(tables.render_table(peering.table(measured, found, base), style))
    return OK if peering.good(measured, found) else FOUND


@cli.command()
@click.argument("run_folder", metavar="[RUN]", default="latest", type=click.Path(path_type=pathlib.Path))
@click.option(
    "--engine", "engine_names", multiple=True, metavar="NAME", help="Of the run's; repeatable.  [default: all]"
)
@click.option("--python", "pythons", multiple=True, metavar="RUNTIME", help="Of the run's; repeatable.  [default: all]")
@click.option("--timeout", type=Seconds(), default="5m", show_default=True, help="For one process that counts.")
@RESULTS
@FORMAT
def count(
    run_folder: pathlib.Path,
    engine_names: tuple[str, ...],
    pythons: tuple[str, ...],
    timeout: float,
    folder: pathlib.Path,
    style: str,
) -> int:
    """Add exact counters to a run: instructions, nodes, memory and the collector's share of a step.

    RUN is a folder, the name of one under results/, or the latest that run made. Its timings stay as they are.
    """
    found = kinds.find(run_folder, folder)
    with Workspace() as workspace:
        workspace.lock(found)
        cells = counters.restrict(results.load(found), engine_names, pythons)
        if not cells:
            raise UsageError(f"nothing to count in {found}: no such cell measured and agreed")
        plan, measured = setup.resume(found, workspace.folder, {runtime for _, runtime in cells})
        with RunProgress(counters.ORDERS * len(cells)) as progress:
            try:
                good = counters.count(plan, measured, cells, progress, timeout)
            except KeyboardInterrupt:
                progress.say(f"interrupted: the cells counted so far are kept in {found}")
                return INTERRUPTED
    click.echo(tables.render_counters(measured, style))
    click.echo(f"kept in {measured.folder}", err=True)
    return OK if good else FOUND


def sampling_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """How samples are drawn."""
    options = [
        click.option("--samples", type=Whole(0), default=20, show_default=True, help="Documents to draw."),
        click.option("--temperature", type=Finite(), default=0.5, show_default=True, help="Below 1: safer choices."),
        click.option("--greedy", is_flag=True, help="Take the most probable token, draw nothing."),
        click.option("--prefix", default="", help="What each sample begins with."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def sampling_from(options: dict[str, Any]) -> tuple[int, Sampling]:
    """Take the samples' number and how they are drawn out of ``options``. Raises UsageError, WorkloadError."""
    given = [name for name in ("temperature", "top_k") if _given(name)]
    greedy = options.pop("greedy")
    if greedy and given:
        raise UsageError(f"--greedy draws nothing, so --{given[0].replace('_', '-')} has no meaning: give one of them")
    samples, top_k = options.pop("samples"), options["top_k"]  # a workload's option too, and so left there
    return samples, Sampling(options.pop("temperature"), top_k, greedy, options.pop("prefix"))


@cli.command()
@click.option(
    "--engine",
    "engine_name",
    default="reference",
    show_default=True,
    metavar="NAME|FILE.py",
    help="Engine to train with.",
)
@click.option(
    "--model",
    type=click.Choice(ladder.MODELS),
    default="gpt",
    show_default=True,
    help="The GPT, or a simpler one on the way to it.",
)
@click.option(
    "--optimizer",
    type=click.Choice(ladder.OPTIMIZERS),
    default="adam",
    show_default=True,
    help="The gpt has Adam only.",
)
@workload_options
@click.option("--steps", type=Whole(1), default=1000, show_default=True, help="Training steps.")
@sampling_options
@click.option(
    "--losses",
    type=targets.Target(),
    metavar="FILE",
    help="Write every loss as float.hex, one a line.",
)
@click.option("--save", type=targets.Target(), metavar="FILE", help="Write the trained model.")
@click.option(
    "--timing/--no-timing",
    default=None,
    help="Add each step's time to its line.  [default: with --preset optimized]",
)
def train(
    engine_name: str,
    model: str,
    optimizer: str,
    data: str,
    steps: int,
    losses: pathlib.Path | None,
    save: pathlib.Path | None,
    timing: bool | None,
    **options: Any,
) -> int:
    """Train in this interpreter and print microgpt.py's lines: the losses, then samples.

    An interrupt ends the training after the step under way: what --losses and --save ask for is written.
    """
    samples, sampling = sampling_from(options)
    for path in (losses, save):
        if path is not None:
            targets.check_new(path)
    check_model(model)
    engine_name = "vector" if model != "gpt" and not _given("engine_name") else engine_name
    timing = options["preset"] == "optimized" if timing is None else timing
    trainer = ladder.make(model, engine_name, datasets.locate(data), config_from(options), optimizer)
    if isinstance(trainer, Trainer):
        trainer.check(sampling)
    if note := trainer.cut():
        click.echo(note, err=True)
    click.echo(f"num docs: {len(trainer.documents)}")
    click.echo(f"vocab size: {len(trainer.vocabulary)}")
    click.echo(f"num params: {sum(len(row) for matrix in trainer.weights().values() for row in matrix)}")
    history: list[str] = []
    failed: WorkloadError | None = None
    with signals.wait() as interrupted:
        try:
            with training.failures_of(engine_name):
                while len(history) < steps and not interrupted:
                    done = trainer.step()
                    history.append(done.loss.hex())
                    training.check_loss(done.step, done.loss)
                    time = f" | {done.seconds * 1e3:.2f} ms" if timing else ""
                    validation = ""
                    if isinstance(trainer, Trainer) and trainer.validation_due():
                        validation = f" | validation {trainer.validate():.4f}"
                    click.echo(f"step {done.step:4d} / {steps:4d} | loss {done.loss:.4f}{time}{validation}")
        except WorkloadError as error:
            failed = error
    if losses is not None:
        targets.write(losses, "".join(f"{loss}\n" for loss in history))
    if failed is not None:
        raise failed
    if save is not None and isinstance(trainer, Trainer):
        targets.write(save, model_file.text_of(trainer.saved()))
    if interrupted:
        kept = " and ".join(str(path) for path in (losses, save) if path is not None)
        click.echo(f"interrupted after {len(history)} steps{f': kept in {kept}' if kept else ''}", err=True)
        return INTERRUPTED
    how = dataclasses.asdict(sampling) if model == "gpt" else {"temperature": sampling.temperature}
    with training.failures_of(engine_name):
        for number, sample in enumerate(trainer.generate(samples, **how), 1):
            click.echo(f"sample {number:2d}: {sample}")
    return OK


def check_model(model: str) -> None:
    """Raises UsageError for an option that was given and has no meaning for a model of the ladder."""
    if model == "gpt":
        return
    uses = (*ladder.USES[model], "data", "model", "optimizer", "steps", "samples", "temperature", "losses", "timing")
    for parameter in click.get_current_context().command.params:
        name = str(parameter.name)
        if name.removesuffix("_name") not in uses and _given(name):
            raise UsageError(f"{parameter.opts[0]} has no meaning for the model {model}: leave one of them out")


def _given(name: str) -> bool:
    """Whether a parameter of the command under way was on the command line."""
    return click.get_current_context().get_parameter_source(name) is ParameterSource.COMMANDLINE


@cli.command("ladder")
@click.option(
    "--data", default=DEFAULT, show_default=True, metavar="NAME|PATH", help="As for train.", callback=list_data
)
@click.option("--steps", type=Whole(1), default=1000, show_default=True, help="Training steps of each model.")
@click.option("--output", type=targets.Target(), metavar="FILE.md", help="Write the page.")
@FORMAT
def compare_models(data: str, steps: int, output: pathlib.Path | None, style: str) -> int:
    """Train each model of the ladder, from counting letter pairs to the GPT, and print what each step up bought."""
    if output is not None:
        targets.check(output)
    path = str(datasets.locate(data))
    with RunProgress(None) as progress:
        table = climbing.climb(path, data, steps, progress)
    if output is not None:
        targets.write(output, climbing.page(table))
    click.echo(tables.render_table(table, style))
    return OK


@cli.command()
@click.option(
    "--model",
    "model_path",
    type=click.Path(path_type=pathlib.Path),
    metavar="FILE",
    help="What train --save wrote.  [default: a model is trained first]",
)
@click.option("--engine", "engine_name", metavar="NAME|FILE.py", help="[default: the saved model's, or vector]")
@sampling_options
@click.option("--trace", is_flag=True, help="Token by token, with the probabilities at each place.")
@workload_options
@click.option("--steps", type=Whole(0), default=1000, show_default=True, help="To train for where no model is given.")
def generate(
    model_path: pathlib.Path | None,
    engine_name: str | None,
    trace: bool,
    data: str,
    steps: int,
    **options: Any,
) -> int:
    """Draw documents from a saved model, or from one that is trained first. --seed decides the draws too."""
    samples, sampling = sampling_from(options)
    asked = [
        parameter.opts[0]
        for parameter in click.get_current_context().command.params
        if parameter.name in (*WORKLOAD, "steps") and parameter.name != "top_k" and _given(parameter.name)
    ]
    if model_path is not None and asked not in ([], ["--seed"]):
        raise UsageError(f"{asked[0]} belongs to training, and {model_path} is trained: leave one of them out")
    config = config_from(options)
    if model_path is not None:
        model = Model.load(model_path, engine_name)
        if asked:
            model.trainer.rng = seeded(model.config.rng, config.seed, model.config.gaussian)
        trainer = model.trainer
        trainer.check(sampling)
    else:
        trainer = Trainer(engine_name or "vector", datasets.locate(data), config)
        trainer.check(sampling)
        with RunProgress(steps) as progress:
            progress.say(f"no --model: training {steps} steps on {data} first")
            if note := trainer.cut():
                progress.say(note)
            with training.failures_of(engine_name or "vector"):
                for step in range(steps):
                    done = trainer.step()
                    training.check_loss(done.step, done.loss)
                    progress.advance(f"loss {done.loss:.4f}" if step else "the first step")
    with training.failures_of(trainer.engine.name if engine_name is None else engine_name):
        if not trace:
            for sample in trainer.generate(samples, **dataclasses.asdict(sampling)):
                click.echo(sample)
            return OK
        tokens = list(trainer.generate(samples, **dataclasses.asdict(sampling), trace=True))
    rows = []
    for token in tokens:
        alternatives = "  ".join(f"{_shown(name)} {probability:.1%}" for name, probability in token.alternatives)
        rows.append(
            [f"{token.sample + 1}", f"{token.position}", _shown(token.token), f"{token.probability:.1%}", alternatives]
        )
    table = tables.Table("Tokens", [], ["sample", "position", "token", "probability", "most probable"], rows, [])
    click.echo(tables.render_table(table, "plain", left=True))
    return OK


def _shown(token: str) -> str:
    """A token as a table shows it."""
    return token if token.strip() else "end" if token == "" else repr(token)


SECONDS = click.option(
    "--seconds", type=Seconds(), default="3s", show_default=True, help="To train for while the profiler looks on."
)


@cli.command()
@click.argument("engine", metavar="NAME|FILE.py")
@click.option("--python", metavar="[NAME=]VERSION|PATH", help="Runtime.  [default: the newest CPython found]")
@workload_options
@SECONDS
@click.option("--output", type=targets.Target(), help="Of the flame graph.  [default: ENGINE.svg]")
@click.option(
    "--profiler",
    type=click.Choice(profiling.PROFILERS),
    default="py-spy",
    show_default=True,
    help="py-spy, or the interpreter's own (CPython 3.15 and newer), which shows the garbage collector too and"
    " writes ENGINE.html.",
)
@FORMAT
def profile(
    engine: str,
    python: str | None,
    data: str,
    seconds: float,
    output: pathlib.Path | None,
    profiler: str,
    style: str,
    **sizes: int,
) -> int:
    """Where an engine's time goes: its top functions, and a flame graph that opens in a browser."""
    config = config_from(sizes)
    engines.load(engine)
    path = output or pathlib.Path(f"{pathlib.Path(engine).stem}{profiling.suffix(profiler)}")
    if path.suffix != profiling.suffix(profiler):  # a browser goes by it
        raise UsageError(f"{path}: the flame graph of {profiler} is a file that ends in {profiling.suffix(profiler)}")
    targets.check(path)
    (runtime,), _ = setup.find_runtimes([interpreters.newest() if python is None else python])
    (what,) = engine_files.rows([engine]).values()
    documents = datasets.locate(data).resolve()
    read_documents(documents)  # can it be trained on?
    with Workspace() as workspace:  # both are of one state of the engine
        loads = setup.take(what, interpreters.ROOT, workspace.folder / "files").subject.loads
        subject = profiling.Subject(runtime, interpreters.ROOT, loads, documents, config.record(), seconds)
        found = profiling.top_functions(subject, profiler)
        profiling.flame_graph(path.resolve(), subject, profiler)
    rows = [[function, f"{share:.1%}"] for function, share in found[:15]]
    title = f"{engine} on {runtime.name}: own time of functions"
    table = tables.Table(title, [], ["function", "share"], rows, [f"flame graph: {path}"])
    click.echo(json.dumps(found, indent=1) if style == "json" else tables.render_table(table, style))
    return OK


@cli.command()
@click.argument("run_folder", metavar="RUN", type=click.Path(path_type=pathlib.Path))
@click.option("--python", metavar="RUNTIME", help="To profile on; of the run's.  [default: its newest CPython]")
@SECONDS
@click.option("--gc-off", type=click.Path(path_type=pathlib.Path), metavar="RUN", help="One with --gc off, to compare.")
@click.option(
    "--long", "longer", type=click.Path(path_type=pathlib.Path), metavar="RUN", help="One of many steps, to compare."
)
@click.option("--output", type=targets.Target(), help="[default: engines.md beside the run]")
@RESULTS
def explain(
    run_folder: pathlib.Path,
    python: str | None,
    seconds: float,
    gc_off: pathlib.Path | None,
    longer: pathlib.Path | None,
    output: pathlib.Path | None,
    folder: pathlib.Path,
) -> int:
    """Write the page that explains the engines from a run: what each does and bought, and where its time goes."""
    run = results.load(kinds.find(run_folder, folder))
    off, long = (None if other is None else results.load(kinds.find(other, folder)) for other in (gc_off, longer))
    path = output or run.folder.parent / "engines.md"
    targets.check(path)
    names = list(run.record.runtimes)
    name = python or names[-1]
    if name not in names:
        raise UsageError(f"{run.folder.name} has no runtime {name}: choose from {', '.join(names)}")
    runtime = setup.find_again(name, run.record.runtimes[name])
    documents, config = datasets.locate_again(run.record.workload.data).resolve(), run.record.workload.config
    profiles = {}
    cells = [engine for engine in run.record.engines if run.status((engine, name))[0] == "ok"]
    with RunProgress(len(cells)) as progress:
        for engine in cells:
            progress.advance(f"profile of {engine}")
            loads = run.record.engines[engine].path or engine
            with Workspace() as workspace:
                taken = setup.take(loads, interpreters.ROOT, workspace.folder / "files")
                if loads != engine and taken.record.source_sha256 != run.record.engines[engine].source_sha256:
                    raise UsageError(f"{loads} has changed since {run.folder.name} was measured: measure again")
                profiles[engine] = profiling.top_functions(
                    profiling.Subject(runtime, interpreters.ROOT, taken.subject.loads, documents, config, seconds)
                )
    text = explaining.page(run, profiles, name, explaining.arithmetic(run), off, long)
    targets.write(path, text)
    click.echo(f"written to {path}")
    return OK


@cli.command()
@click.argument("run_folder", metavar="[RUN]", default="latest", type=click.Path(path_type=pathlib.Path))
@click.option("--output", type=targets.Target(), help="[default: report.html in the run's folder]")
@click.option("--plots", type=click.Path(path_type=pathlib.Path), metavar="FOLDER", help="Also every chart as a file.")
@click.option("--plot", "wanted", multiple=True, metavar="CHART", help="Only this one of them; repeatable.")
@click.option(
    "--plot-format", type=click.Choice(["svg", "png"]), default="svg", show_default=True, help="Of the files."
)
@RESULTS
def report(
    run_folder: pathlib.Path,
    output: pathlib.Path | None,
    plots: pathlib.Path | None,
    wanted: tuple[str, ...],
    plot_format: str,
    folder: pathlib.Path,
) -> int:
    """Make one HTML file of a run, to look at in a browser: it needs nothing else, and no network.

    RUN is a folder, the name of one under results/, or the latest that run or check made.
    """
    run = results.load(kinds.find(run_folder, folder, ["run", "check"]))
    path = output or run.folder / "report.html"
    targets.check(path)
    if wanted and plots is None:
        raise UsageError("--plot says which charts --plots FOLDER writes: give that too")
    targets.write(path, reporting.page(run))
    click.echo(f"written to {path}")
    if plots is not None:
        for plotted in reporting.write_plots(run, plots, plot_format, wanted):
            click.echo(f"written to {plotted}")
    return OK if run.good() else FOUND


@cli.command()
@click.option(
    "--ratio",
    "ratios",
    multiple=True,
    default=historical.HEADLINES,
    show_default=True,
    metavar="ENGINE[/BASE]",
    help="To follow: the engine's speed over another one, the reference unless said; repeatable.",
)
@click.option("--python", "runtime", metavar="RUNTIME", help="To follow it on.  [default: the newest of each run]")
@click.option("--plot", type=targets.Target(), metavar="FILE", help="Also draw them: .svg, .png or .html.")
@FORMAT
@RESULTS
def history(
    ratios: tuple[str, ...], runtime: str | None, plot: pathlib.Path | None, style: str, folder: pathlib.Path
) -> int:
    """List the runs on disk with chosen ratios, and say where a ratio changed from one run to the next."""
    if plot is not None:
        historical.check_plot(plot)
        targets.check(plot)
    runs, unread = historical.load(folder)
    wanted = [historical.parse(text, runtime, runs) for text in ratios]
    historical.check(runs, wanted if _given("ratios") else [], runtime)  # the default's engines need not be in a run
    table = historical.table(runs, wanted, unread)
    click.echo(json.dumps(dataclasses.asdict(table), indent=1, ensure_ascii=False) if style == "json" else
               tables.render_table(table, style))  # fmt: skip
    if plot is not None:
        historical.plot(runs, wanted, plot)
        click.echo(f"written to {plot}", err=True)
    return OK


@cli.command()
@click.argument("run_folder", metavar="RUN", type=click.Path(path_type=pathlib.Path))
@click.option("--peers", "ports", type=click.Path(path_type=pathlib.Path), metavar="RUN", help="One that peers made.")
@click.option("--again", is_flag=True, help="Do the experiments again, though the run has them.")
@click.option("--output", type=targets.Target(), help="[default: claims.md beside the run]")
@RESULTS
def claims(
    run_folder: pathlib.Path, ports: pathlib.Path | None, again: bool, output: pathlib.Path | None, folder: pathlib.Path
) -> int:
    """Write the page that holds others' claims against a run and against experiments on its runtimes."""
    run = results.load(kinds.find(run_folder, folder))
    beside = None if ports is None else peering.load(kinds.find(ports, folder, ["peers"]))
    path = output or run.folder.parent / "claims.md"
    targets.check(path)
    claiming.page(run, claiming.ClaimsRecord(results.SCHEMA, {}), beside)  # can it be written?
    with Workspace() as workspace, RunProgress(len(run.record.runtimes)) as progress:
        workspace.lock(run.folder)
        found = claiming.measure(run, again, progress)
    targets.write(path, claiming.page(run, found, beside))
    click.echo(f"written to {path}")
    return OK


@cli.command("engines")
@click.option("--source", metavar="NAME", help="Print what this engine generates for the default model, not the list.")
def list_engines(source: str | None) -> int:
    """List the engines: what each changes, against which parent, and what parity it promises."""
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
    table = tables.Table("Engines", [], ["name", "parent", "parity", "summary", "available here"], rows, [])
    click.echo(tables.render_table(table, "plain", left=True))
    return OK


def _now() -> str:
    return f"{datetime.datetime.now(datetime.UTC):%Y%m%d-%H%M%S}"


def main() -> None:
    """Run the command line and end with its exit status."""
    ending.run(command)


def command() -> int:
    """The exit status of the command that the arguments ask for; one line on standard error for what the user can mend."""
    try:
        check_arguments(sys.argv[1:])
        return int(cli.main(prog_name="microgpt-bench", standalone_mode=False) or OK)
    except click.ClickException as error:
        return ending.say(error.format_message())
    except (UsageError, WorkloadError, engines.EngineError) as error:
        return ending.say(str(error))
    except click.Abort:
        return INTERRUPTED
    except OSError as error:  # a full disk, for one: not a regression that 1 would stand for
        return ending.say(f"cannot go on: {error}")
    except SystemExit as ended:  # click's answer to a pipe that nobody reads is 1
        if isinstance(ended.__context__, OSError):
            return ending.say(f"cannot go on: {ended.__context__}")
        raise
