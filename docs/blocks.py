"""What cog writes between its markers in the project's Markdown: printed from the committed run and from the commands.

`nox -s readme` runs it; a test fails when a page is stale.
"""

import dataclasses
import json
import pathlib
import re
import subprocess
import sys

import click

import bench
from bench.cli import main
from bench.host.pages import across, rendering, run_tables, warm_up, wording
from bench.host.pages import threads as threads_page
from bench.host.results import breakdown, builds, store
from bench.host.results import threads as threads_file
from bench.host.results.parity import Agreement
from bench.host.results.records import REFERENCE
from bench.host.results.run import Run
from bench.host.results.table import Table

ROOT = pathlib.Path(__file__).resolve().parent.parent
RESULTS = ROOT / "results"
RUN = RESULTS / "default"
LONG = RESULTS / "long"
AGREEMENT = RESULTS / "agreement"  # the folder of three runs
BUILDS = RESULTS / "builds"  # the folder of its runs
NOT_OPTIONS = ("--prefix", "CC", "CFLAGS")  # configure's words that say where, or that the table has in other columns
SHOWN = 6  # functions of the interpreter
MADE_NO_MORE = "_PyFloat_FromDouble_ConsumeInputs"
LOOP, MAKER = "_PyEval_EvalFrameDefault", "PyFloat_FromDouble"
WIDTH = 100  # of help texts, in columns


def committed(folder: pathlib.Path) -> Run:
    """The run in it. Raises SystemExit where it does not hold what it promises."""
    run = store.load(folder)
    if not run.good():
        raise SystemExit(f"{folder} does not hold what it promises: measure again")
    return run


def table_of(run: Run, runtime: str, engines: tuple[str, ...]) -> Table:
    """The runtime's table, of these engines only. Raises SystemExit where one is missing."""
    (table,) = (table for table in run_tables.tables(run) if table.title == runtime)
    rows = [row for row in table.rows if row[0] in engines]
    if len(rows) != len(engines):
        raise SystemExit(f"{run.folder} has not all of {', '.join(engines)} on {runtime}")
    return dataclasses.replace(table, rows=rows)


def summary(runtime: str, *engines: str) -> None:
    """The few numbers that matter: some engines over a whole training run, slowest first, and what newer Pythons bring."""
    run = committed(AGREEMENT / "whole")
    table, rows = table_of(run, runtime, engines), []
    for row in reversed(table.rows):
        engine, ms, speed = (row[table.headers.index(head)] for head in ("engine", "ms/step", "speedup"))
        finding = run.finding((engine, runtime))
        assert finding is not None
        agree = "the same bits" if finding.parity is Agreement.BIT_IDENTICAL else f"within {finding.largest:.0e}"
        rows.append([engine, run.record.engines[engine].summary, ms, speed, "–" if engine == REFERENCE else agree])
    version = runtime.replace("cpython-", "CPython ")
    headers = [f"on {version}", "what it is", "ms/step", "speedup [95 % interval]", "losses"]
    print(rendering.grid(headers, rows, "github", left=True))
    run = committed(RUN)
    names = builds.alike(run.record.runtimes)
    if len(names) < 2:
        print("\nNo two builds of Python measured here are built alike, so versions are not compared.")
        return
    (all_together,) = (row for row in across.table(run, names[0]).rows if row[0] == across.MEAN)
    means = dict(zip(run.record.runtimes, all_together[1:]))
    base, *newer = wording.columns(names)
    first, *others = (f"{means[name]} {{}}on {head}" for name, head in zip(names[1:], newer))
    said = ", ".join([first.format("times as fast ") + f" as on {base}", *(other.format("") for other in others)])
    print(
        f"\nBetween builds of Python that are made alike, all engines together: {said} (±: half the interval, in percent)."
    )


def headline() -> None:
    """The committed run's plots and its table: speedup over the reference, engines by runtimes."""
    run = committed(RUN)
    print(f"""![Speedup of each engine over the reference, a point for each Python, on a logarithmic axis](results/default/plots/speed.svg)

<details>
<summary>The same as numbers: every engine on every Python</summary>

{_grid_of(run)}

</details>

![Speedup of each engine over itself on the oldest Python, a line each](results/default/plots/versions.svg)""")


def longer() -> None:
    """The speedups of the committed run of many steps."""
    print(_grid_of(committed(LONG)))


def agreement() -> None:
    """The speedups of a short run in young processes, and in aged ones, beside those of a whole training run."""
    *tried, whole = (committed(AGREEMENT / name) for name in ("short", "aged", "whole"))
    rows, off = [], [list[float]() for _ in tried]
    for runtime in whole.record.runtimes:
        for engine in whole.record.engines:
            if engine == REFERENCE:
                continue
            right = whole.speedup(engine, runtime)
            row = [runtime, engine]
            for run, all_of_run in zip(tried, off):
                ratio = run.speedup(engine, runtime)
                assert ratio and right and ratio.low and right.low and ratio.high and right.high, (run.folder, engine)
                all_of_run.append(ratio.value / right.value - 1)
                overlap = " (=)" if ratio.low <= right.high and right.low <= ratio.high else ""
                row += [wording.ratio_text(ratio, short=True), f"{all_of_run[-1]:+.1%}{overlap}"]
            assert right
            rows.append([*row, wording.ratio_text(right, short=True)])
    heads = ["by default" if run.record.plan.aged else "young" for run in tried]
    headers = ["runtime", "engine", *(head for name in heads for head in (name, "off by")), "whole run"]
    for head, all_of_run in zip(heads, off):
        sizes = sorted(map(abs, all_of_run))
        print(f"- {head}: off by {sizes[len(sizes) // 2]:.1%} in the median, by {sizes[-1]:.1%} at most")
    print(f"\n{rendering.grid(headers, rows, 'github')}\n\nMeasured on {whole.record.machine['cpu']} by:\n\n```")
    for run in (*tried, whole):
        print("\n".join([run.record.command, *(f"# {note}" for note in run.record.notes)]))
    print("```")


def _grid_of(run: Run) -> str:
    return rendering.render_table(run_tables.headline(run), "github").split("\n", 2)[2]  # without its title


def excerpt(runtime: str, *engines: str) -> None:
    """Some rows of one runtime's table, as the terminal shows them."""
    table = table_of(committed(RUN), runtime, engines)
    print(f"```\n{rendering.grid(table.headers, table.rows, 'plain')}\n```")


def commands() -> None:
    """Every command's --help."""
    with click.Context(main.cli, info_name="microgpt-bench", terminal_width=WIDTH, max_content_width=WIDTH) as top:
        for name in main.cli.list_commands(top):
            command = main.cli.get_command(top, name)
            assert command is not None
            context = click.Context(command, top, name, terminal_width=WIDTH, max_content_width=WIDTH)
            print(f"## {name}\n\n```\n{re.sub(' +$', '', command.get_help(context), flags=re.M)}\n```\n")


def crowds() -> None:
    """The committed run of several models at a time, and the command that made it."""
    threads = threads_file.load(RESULTS / "threads")
    print(rendering.render_tables(threads_page.tables(threads), "github"))
    print(f"\nMeasured on {threads.record.machine['cpu']} by:\n\n```")
    print("\n".join([threads.record.command, *(f"# {note}" for note in threads.record.notes)]) + "\n```")


def pairing(before: str, after: str) -> None:
    """What pyperf's compare_to and our own comparison say of two runtimes of the committed run."""
    run = committed(RUN)
    files = [RUN / "timings" / f"{name}.json" for name in (before, after)]
    command = [sys.executable, "-m", "pyperf", "compare_to", *map(str, files)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    hidden = re.search(r"hidden because not significant \(\d+\): (.*)", said)
    engines = [engine for engine in run.record.engines if run.ok((engine, before), (engine, after))]
    unsure = [engine for engine in engines if hidden and engine in hidden[1].split(", ")]
    told = []
    for engine in unsure:
        ratio = run.speedup(engine, after, (engine, before))
        if ratio is not None and ratio.separable:
            told.append(f"{engine} {wording.ratio_text(ratio)}")
    paths = " ".join(str(file.relative_to(ROOT)) for file in files)
    print(f"```\npython -m pyperf compare_to {paths}\nmicrogpt-bench compare default:{before} default:{after}\n```\n")
    print(
        f'The first command calls {len(unsure)} of {len(engines)} engines "not significant". The second, from the same rounds but'
        f" paired step by step, tells {len(told)} of these {len(unsure)} apart"
        + (f": {', '.join(told)}." if told else ".")
    )


def costs(name: str) -> None:
    """A committed run's table across builds or runtimes, its chart where it has one, and what to learn of each."""
    run = committed(RESULTS / name)
    base = next(iter(run.record.runtimes))
    said = across.lessons(run, base)
    table = across.table(run, base)
    table = dataclasses.replace(table, below=[line for line in table.below if line not in said])
    print(rendering.render_table(table, "github"))
    if (RESULTS / name / "plots" / "builds.svg").exists():
        print(f"\n![Each engine over itself on {base}, a row for each build]({name}/plots/builds.svg)")
    print()
    for line in said:
        runtime, _, text = line.partition(": ")
        print(f"- **{runtime}**: {rendering.prose([text], 'github')[0]}")
    print(f"\nMeasured on {run.record.machine['cpu']}, {len(run.rounds)} rounds, by:\n\n```")
    print("\n".join([run.record.command, *(f"# {note}" for note in run.record.notes)]))
    print("```")


def stages(name: str, *engines: str) -> None:
    """These engines' speedups over themselves on the first build, of the builds with another allocator, by ranges of steps.

    Raises SystemExit where malloc is no longer slower in the first steps and faster in the last, as the text says.
    """
    run = committed(RESULTS / name)
    base, *others = run.record.runtimes
    steps = run.record.plan.steps
    ranges = [(first, min(last, steps)) for first, last in warm_up.STAGES if first <= steps]
    rows = []
    for runtime in others:
        kind, usual = (run.record.runtimes[each].described["allocator"].split()[0] for each in (runtime, base))
        for engine in engines if kind != usual else ():
            said = [run.speedup(engine, runtime, (engine, base), slice(first - 1, last)) for first, last in ranges]
            rows.append([runtime, kind, engine, *("–" if each is None else wording.ratio_text(each) for each in said)])
            begin, end = (each.value for each in (said[0], said[-1]) if each is not None)
            _demand(
                kind != "malloc" or begin < 1 < end, f"{engine} with malloc: {begin:.2f} at first, {end:.2f} at last"
            )
    heads = [f"steps {first} to {last}" for first, last in ranges]
    print(rendering.grid(["build", "allocator", "engine", *heads], rows, "github", left=True))


def warming(name: str) -> None:
    """When each engine of a committed run is at its steady speed on each runtime, and its speedup before and after."""
    warm_ups = bench.warmup(RESULTS / name)
    found = warm_up.tables(warm_ups.run, warm_ups.cells)
    rows = [[table.title.removeprefix("Warm-up on "), *row] for table in found for row in table.rows]
    below = next((table.below for table in found if table.below), [])
    print(
        rendering.render_table(Table("Warm-up", found[0].above, ["runtime", *found[0].headers], rows, below), "github")
    )


def ports(name: str) -> None:
    """A committed run of other programs, and the command that made it."""
    peers = bench.load_peers(RESULTS / name)
    print(bench.render(peers, "github"))
    print(f"\nMeasured on {peers.run.record.machine['cpu']} by:\n\n```\n{peers.run.record.command}\n```")


def made(name: str) -> None:
    """How each of a run's builds was configured, and in what it differs from the first."""
    run = committed(BUILDS / name)
    base = next(iter(run.record.runtimes.values())).described
    rows = []
    for runtime, about in run.record.runtimes.items():
        words = re.findall(r"'([^']*)'", about.described["config_args"])
        options = [word for word in words if not word.startswith(NOT_OPTIONS)]
        switches = [f"{variable}={value}" for variable, value in about.environment.items()]
        different = builds.differences(base, about.described)
        cells = [
            " ".join(options),
            about.described["compiler"].split(" (")[0],
            " ".join(switches),
            ", ".join(different),
        ]
        rows.append([runtime, *cells])
    print(rendering.grid(["build", "configure", "compiler", "environment", "differs by"], rows, "github", left=True))


def between(old: str, new: str, *slower: str) -> None:
    """The committed default run's engines on one Python over themselves on another. Raises SystemExit where those that the
    text calls slower are not."""
    run = committed(RUN)
    ratios = {engine: run.speedup(engine, new, over=(engine, old)) for engine in run.record.engines}
    known = {engine: ratio for engine, ratio in ratios.items() if ratio is not None}
    for engine in slower:
        high = known[engine].high
        _demand(high is not None and high < 1, f"{engine} is no longer slower on {new} than on {old}")
    ordered = sorted(known, key=lambda engine: known[engine].value)
    names = wording.columns([old, new])
    rows = [[engine, wording.ratio_text(known[engine])] for engine in ordered]
    print(rendering.grid(["engine", f"times as fast on {names[1]} as on {names[0]}"], rows, "github"))
    print(
        f"\nFrom [`default`](default/tables.md), paired within its rounds: `microgpt-bench compare default:{old} default:{new}`."
    )


def by_function(name: str, engine: str, old: str, new: str) -> None:
    """Instructions of a step by function of the interpreter, of an engine on two Pythons, the largest changes first.

    Raises SystemExit where they no longer bear out the text around them; so does `floats`.
    """
    run = committed(BUILDS / name)
    before, after = (_functions(run, engine, runtime) for runtime in (old, new))
    changed = sorted({*before, *after}, key=lambda each: -abs(after.get(each, 0) - before.get(each, 0)))
    _demand(
        {LOOP, MAKER, MADE_NO_MORE} == set(changed[:3]) and MADE_NO_MORE not in after,
        f"{engine}: the three functions that change most are others than the text speaks of: {changed[:3]}",
    )
    rows = [[each, *_moved(before.get(each, 0), after.get(each, 0))] for each in changed[:SHOWN]]
    others = [sum(counts.values()) - sum(counts.get(each, 0) for each in changed[:SHOWN]) for counts in (before, after)]
    rows.append(["all others", *_moved(*others)])
    rows.append(["together", *_moved(sum(before.values()), sum(after.values()))])
    heads = ["million instructions of a step", *wording.columns([old, new]), "change"]
    print(rendering.grid(heads, rows, "github"))


def floats() -> None:
    """What docs/float_operations.py found; the page's text stands or falls with it."""
    content = json.loads((BUILDS / "floats.json").read_text(encoding="utf-8"))
    rows, first, command = [], content["rows"][0]["python"], content["command"]
    for one in content["rows"]:
        counted = [f"{one[what]:.1f}" if what in one else "–" for what in ("jumps", "instructions", "stack")]
        ratio = one["times_as_fast"]
        times = "1" if ratio is None else f"{ratio[0]:.2f} [{ratio[1]:.2f}, {ratio[2]:.2f}]"
        about = f"{one['expression']}: {one['code']}" if one["python"] == first else ""
        rows.append([about, one["python"], *counted, times])
    plain = {(one["expression"], one["python"]): one for one in content["rows"] if "stack" in one}
    old, new = list(dict.fromkeys(python for _, python in plain))[:2]
    more = [
        {what: plain[text, new][what] - plain[text, old][what] for what in ("instructions", "stack", "jumps")}
        for text in dict.fromkeys(text for text, _ in plain)
        if "product" in text
    ]
    _demand(
        all(0.8 * one["instructions"] <= one["stack"] and abs(one["jumps"]) < 0.05 for one in more),
        f"accesses of the stack no longer explain what {new} does more than {old}: {more}",
    )
    slower = {text: plain[text, new]["times_as_fast"] for text, python in plain if python == new}
    _demand(
        all(ratio[2] < 1 if "product" in text else ratio[1] > 1 for text, ratio in slower.items()),
        f"{new} is no longer slower than {old} in sums and products, and faster in copies: {slower}",
    )
    low, high = (f"{pick(one['instructions'] for one in more):.0f}" for pick in (min, max))
    reads, writes = (f"{pick(one['stack'] for one in more):.0f}" for pick in (min, max))
    heads = ["code", "Python", "bytecodes", "instructions", "of the C stack", f"times as fast as {first}"]
    print(rendering.grid(heads, rows, "github"))
    print(
        f"\nOf one operation, a seventh of the code. {new} executes {low} to {high} instructions more for each than {old}, as many"
        f" bytecodes, and {reads} to {writes} accesses of the C stack more: these are what it does more.\n\n```\n{command}\n```"
    )


def _functions(run: Run, engine: str, runtime: str) -> dict[str, float]:
    counts: dict[str, float] = {}
    for functions in breakdown.kept(run).cells[f"{engine}@{runtime}"].phases.values():
        for function, three in functions.items():
            counts[function] = counts.get(function, 0.0) + three[0]
    return counts


def _moved(before: float, after: float) -> list[str]:
    return [f"{before / 1e6:.2f}", f"{after / 1e6:.2f}", f"{(after - before) / 1e6:+.2f}"]


def _demand(true: bool, otherwise: str) -> None:
    if not true:
        raise SystemExit(f"results/builds.md: {otherwise}")
