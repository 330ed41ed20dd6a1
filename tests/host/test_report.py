"""The report in a real browser: opens by itself, filters, fits a phone, and takes no text for markup."""

import contextlib
import dataclasses
import io
import json
import pathlib
import re
import shutil

import pytest

from bench.host.pages import charts, report, run_tables
from bench.host.results import bases, store
from bench.host.results.run import Run
from bench.host.results.table import Table
from bench.host.results.verdicts import ANSWER, Row
from bench.host.stats import sequential
from bench.host.stats.paired import Ratio

ROOT = pathlib.Path(__file__).resolve().parents[2]
MARKUP = "<script>alert(1)</script><b id=bad>\"'&</script><!-- "
pytest.importorskip("vl_convert", reason="needs the extra report: python -m pip install -e '.[report]'")
pytestmark = pytest.mark.xdist_group("report")  # one browser is started, and one page is made of the committed run


@pytest.fixture(scope="module")
def browser():
    """The system's Chromium, without a window."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        pytest.skip("needs Chromium: install it, for instance with apt install chromium")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@contextlib.contextmanager
def opened(browser, path, **how):
    """The page, loaded and drawn; fails on any console error, dialog or request but the file itself."""
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **how})
    page, trouble = context.new_page(), []
    page.set_default_timeout(120_000)  # on a busy machine too
    page.on("console", lambda message: message.type == "error" and trouble.append(message.text))
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.on("dialog", lambda dialog: (trouble.append(f"dialog {dialog.message}"), dialog.dismiss()))
    page.on("request", lambda request: request.url.startswith(("file:", "data:")) or trouble.append(request.url))
    page.goto(path.resolve().as_uri())
    page.wait_for_selector("html[data-ready=yes]")
    yield page
    context.close()
    assert not trouble


@pytest.fixture(scope="module")
def committed(tmp_path_factory):
    """The report of the committed run."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(report.page(store.load(ROOT / "results" / "default")), encoding="utf-8")
    return path


def colours_in(png):
    from PIL import Image

    image = Image.open(io.BytesIO(png)).convert("RGB")
    return len(image.getcolors(maxcolors=2**24))


def marks(page, chart):
    """How many points a chart shows."""
    return page.locator(f"#chart-{chart} svg .mark-symbol path:visible").count()


def test_it_opens_and_every_chart_is_drawn(browser, committed):
    assert committed.stat().st_size < 6_000_000
    run = store.load(ROOT / "results" / "default")
    with opened(browser, committed) as page:
        for chart in charts.charts(run):
            assert page.locator(f"#chart-{chart.name} svg").count() == 1
        assert page.locator("table").count() >= len(run.record.runtimes)
        assert "all losses agree" in page.locator(".verdict").inner_text()
        assert colours_in(page.screenshot()) > 100


def test_filters_act_on_the_charts(browser, committed):
    with opened(browser, committed) as page:
        before = marks(page, "speed")
        heat = page.locator("#chart-heat svg .mark-rect path").count()
        page.locator("nav label", has_text="combined").click()
        page.wait_for_function("n => document.querySelectorAll('#chart-heat svg .mark-rect path').length < n", arg=heat)
        assert marks(page, "speed") < before
        assert "combined" not in page.locator("#chart-heat svg").text_content()
        page.locator("nav label", has_text="3.12").click()
        page.wait_for_function("() => !document.querySelector('#chart-heat svg').textContent.includes('3.12')")
        numbers = page.locator(".numbers", has_text="Speedup over the reference")
        assert "combined" not in numbers.inner_text() and "3.12" not in numbers.locator("thead").inner_text()
        assert "3.11" in numbers.locator("thead").inner_text() and "compiled" in numbers.inner_text()
        assert not page.locator(".numbers h3", has_text=re.compile("^cpython-3.12$")).is_visible()
        page.locator("nav label", has_text="3.13").dblclick()
        assert "3.11" not in numbers.locator("thead").inner_text()
        page.locator("#all").click()
        assert "combined" in numbers.inner_text() and "3.12" in numbers.locator("thead").inner_text()
        page.wait_for_function(
            "n => document.querySelectorAll('#chart-heat svg .mark-rect path').length === n", arg=heat
        )


def test_each_chart_says_which_pythons_it_is_of_and_so_does_its_file(browser, committed, tmp_path):
    with opened(browser, committed) as page:
        on = page.locator("h2 .on[data-chart=speed]")
        assert on.inner_text() == "on CPython 3.10 to 3.15"
        assert page.locator("h2 .on[data-chart=nodes]").inner_text() == ""  # the same on each
        page.locator("nav label", has_text="3.12").click()
        assert on.inner_text() == "on CPython 3.10, 3.11, 3.13, 3.14, 3.15"
        page.locator("nav label", has_text="3.14").click(modifiers=["Alt"])  # only this
        assert on.inner_text() == "on CPython 3.14"
        for style, start in (("SVG", b"<svg"), ("PNG", b"\x89PNG")):
            with page.expect_download() as download:
                page.locator(".save button[data-chart=speed]", has_text=style).click()
            assert download.value.suggested_filename == f"default-speed-CPython_3.14.{style.lower()}"
            download.value.save_as(tmp_path / style)
            assert (tmp_path / style).read_bytes().startswith(start)
        text = (tmp_path / "SVG").read_text(encoding="utf-8")
        assert "Speedup of each engine" in text and "on CPython 3.14" in text


def test_programs_beside_the_engines_are_hidden_in_chart_and_tables(browser, tmp_path):
    path = tmp_path / "report.html"
    path.write_text(report.page(store.load(ROOT / "results" / "peers"), over="combined"), encoding="utf-8")
    with opened(browser, path) as page:
        rows = page.locator("#chart-ports .role-axis-label text")
        chart, table = page.locator("#chart-ports svg"), page.locator(".numbers table").first
        assert "over combined" in chart.text_content() and "over combined" in table.inner_text()
        before = rows.count()
        for name in ("realies-c-fast", "numpy"):  # a program, an engine
            assert name in table.inner_text()
            page.locator(f'nav label:has(input[value="{name}"])').click()
            assert not table.locator("tr", has_text=name).first.is_visible()
        page.wait_for_function(
            "n => document.querySelectorAll('#chart-ports .role-axis-label text').length <= n", arg=before - 2
        )
        assert "leaderboard-numpy" in table.inner_text() and "leaderboard-numpy" in chart.text_content()


def test_over_another_base(committed):
    """The numbers of charts and tables are over the base that was asked for, and the page says so."""
    run = store.load(ROOT / "results" / "default")
    text = report.page(run, over="fused_dot on cpython-3.14")
    assert "Speedup of each engine over fused_dot on cpython-3.14" in text
    drawn = {chart.name: chart for chart in charts.charts(run, bases.parse(run, "fused_dot on cpython-3.14"))}
    values = {(v["engine"], v["runtime"]): v["ratio"] for v in drawn["speed"].spec["data"]["values"]}
    assert ("fused_dot", "3.14") not in values  # 1 by definition
    expected = run.speedup("tape", "cpython-3.12", over=("fused_dot", "cpython-3.14"))
    assert values["tape", "3.12"] == expected.value
    assert "bought" not in {chart.name for chart in charts.charts(run, bases.parse(run, "parent"))}


def test_a_click_on_a_charts_own_legend_hides(browser, committed):
    with opened(browser, committed) as page:
        before = marks(page, "memory")
        page.locator("#chart-speed .role-legend-label text", has_text="3.12").click()
        page.wait_for_function("() => !document.querySelector('#chart-heat svg').textContent.includes('3.12')")
        while marks(page, "memory") == before:  # drawn a moment later
            page.wait_for_timeout(50)
        assert 0 < marks(page, "memory") < before
        page.locator("#chart-memory .role-legend-label text", has_text="3.12").click()
        page.wait_for_function("() => document.querySelector('#chart-heat svg').textContent.includes('3.12')")


def luminance(colour):
    """Relative luminance as WCAG 2 defines it, of what a browser gives: "rgb(1, 2, 3)"."""
    parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear))


def test_numbers_on_the_heat_map_can_be_read(browser, committed):
    fills = "all => all.map(mark => getComputedStyle(mark).fill)"
    with opened(browser, committed) as page:
        cells = page.eval_on_selector_all("#chart-heat svg .mark-rect.layer_0_marks path", fills)
        numbers = page.eval_on_selector_all("#chart-heat svg .mark-text.layer_1_marks text", fills)
        assert len(cells) == len(numbers) > 60 and len(set(numbers)) == 2
        for cell, number in zip(cells, numbers):
            dark, light = sorted((luminance(cell), luminance(number)))
            assert (light + 0.05) / (dark + 0.05) >= 3  # WCAG's least for large text and graphics


def test_light_and_dark(browser, committed):
    grounds = {}
    for scheme in ("light", "dark"):
        with opened(browser, committed, color_scheme=scheme) as page:
            ground = "getComputedStyle(document.body).backgroundColor"
            grounds[scheme] = page.evaluate(ground)
            page.locator("#scheme").click()
            page.wait_for_function(f"old => {ground} !== old", arg=grounds[scheme])
            assert page.locator("#chart-speed svg").count() == 1
    assert grounds["light"] != grounds["dark"]


def test_a_phones_width_needs_no_sideways_scrolling(browser, committed):
    with opened(browser, committed, viewport={"width": 390, "height": 800}) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        width = page.locator("#chart-speed svg").bounding_box()["width"]
        assert 250 < width <= 390
        # what stays on the screen leaves most of it to the charts
        assert page.locator("nav").bounding_box()["height"] < 80
        for words in page.locator(".role-axis-title text, .role-legend-label text, #chart-versions text").all():
            box = words.bounding_box()
            assert box["x"] >= 0 and box["x"] + box["width"] <= 390, words.text_content()


def test_names_at_the_ends_of_lines_do_not_lie_on_one_another(browser, committed):
    with opened(browser, committed) as page:
        names = page.locator("#chart-versions .mark-text[class*=layer] text")
        tops = sorted(name.bounding_box()["y"] for name in names.all())
        assert len(tops) > 10 and min(below - above for above, below in zip(tops, tops[1:])) > 10


def test_hovering_tells_the_values(browser, committed):
    with opened(browser, committed, viewport={"width": 1280, "height": 3000}) as page:
        page.locator("#chart-heat svg .mark-text text").first.hover()
        page.wait_for_selector("#vg-tooltip-element.visible")
        text = page.locator("#vg-tooltip-element").inner_text()
        assert "95 % interval" in text and "ms/step" in text


@pytest.fixture
def marked_up(small_run, tmp_path):
    """A run with markup in every text of its results."""
    assert small_run("--engine", "tape").exit_code == 0
    run = store.load(pathlib.Path("results/small"))
    record = run.record
    (runtime,) = record.runtimes
    described = dict.fromkeys(record.runtimes[runtime].described, MARKUP)
    described.update({k: v for k, v in record.runtimes[runtime].described.items() if not isinstance(v, str)})
    engine = dataclasses.replace(record.engines["tape"], summary=MARKUP, change=MARKUP)
    engines = {"reference": record.engines["reference"], MARKUP: engine}
    record = dataclasses.replace(
        record,
        command=MARKUP,
        notes=[MARKUP],
        version=MARKUP,
        created=MARKUP,
        machine={name: MARKUP if isinstance(value, str) else value for name, value in record.machine.items()},
        workload=dataclasses.replace(record.workload, data=MARKUP),
        engines=engines,
        runtimes={MARKUP: dataclasses.replace(record.runtimes[runtime], described=described)},
    )
    rounds = [
        dataclasses.replace(
            entry,
            cells={
                f"{MARKUP if name.startswith('tape') else 'reference'}@{MARKUP}": cell
                for name, cell in entry.cells.items()
            },
        )
        for entry in run.rounds
    ]
    folder = tmp_path / MARKUP.replace("/", "_")
    folder.mkdir()
    gate = Table(MARKUP, [MARKUP, MARKUP], [MARKUP], [[MARKUP]], [MARKUP])
    row = Row(MARKUP, MARKUP, "PASS", MARKUP, Ratio(1.01, 0.99, 1.03, 8), rounds=8)
    answer = {"schema": 1, "against": MARKUP, "exit_status": 1, "gate": dataclasses.asdict(sequential.Gate())}
    answer |= {"cells": [dataclasses.asdict(row)], "table": dataclasses.asdict(gate)}
    (folder / ANSWER).write_text(json.dumps(answer), encoding="utf-8")
    return Run(folder, record, rounds)


def test_markup_in_results_stays_text(browser, marked_up, tmp_path):
    path = tmp_path / "report.html"
    path.write_text(report.page(marked_up), encoding="utf-8")
    with opened(browser, path) as page:
        assert page.locator("#bad").count() == 0
        assert page.locator("nav label", has_text="alert(1)").count() == 2
        for place in ("header", "#gate td", "nav", "footer"):
            assert "<script>alert(1)</script>" in page.locator(place).first.inner_text()


@pytest.mark.parametrize("style", ["html", "github"])
def test_markup_in_results_stays_text_in_tables(marked_up, style):
    """In rows, titles and the lines around them."""
    text = run_tables.render(marked_up, style)
    assert text.count("&lt;script&gt;") >= 5 and "<script" not in text and "<b" not in text.replace("<br>", "")


def test_a_diverged_cell_has_no_speed_in_it(small_run, bench_command):
    assert small_run("--engine", "tape").exit_code == 0
    entry = pathlib.Path("results/small/rounds/001.json")
    record = json.loads(entry.read_text())
    (name,) = (name for name in record["cells"] if name.startswith("tape"))
    record["cells"][name].update(status="diverged", reason="loss off by 1e-3 at step 2")
    entry.write_text(json.dumps(record))
    done = bench_command("report", "small", "--output", "report.html")
    assert done.exit_code == 1
    page = pathlib.Path("report.html").read_text()
    assert "NOT all losses agree" in page and "loss off by 1e-3 at step 2" in page
    run = store.load(pathlib.Path("results/small"))
    speeds = next((chart for chart in charts.charts(run) if chart.name == "speed"), None)
    assert speeds is None or all(value["engine"] != "tape" for value in speeds.spec["data"]["values"])


def test_the_charts_numbers_are_the_tables(small_run):
    assert small_run("--engine", "tape").exit_code == 0
    run = store.load(pathlib.Path("results/small"))
    speeds = next(chart for chart in charts.charts(run) if chart.name == "speed")
    (value,) = (value for value in speeds.spec["data"]["values"] if value["engine"] == "tape")
    (row,) = (row for row in run_tables.tables(run)[0].rows if row[0] == "tape")
    assert row[2].startswith(value["speed"]) and row[1] == value["ms"] and row[-1] == value["parity"]


@pytest.mark.parametrize("style, start", [("svg", b"<svg"), ("png", b"\x89PNG")])
def test_plots_as_files(small_run, bench_command, style, start):
    assert small_run("--engine", "tape").exit_code == 0
    done = bench_command("report", "small", "--plots", "plots", "--plot-format", style)
    assert done.exit_code == 0, done.output
    assert pathlib.Path("results/small/report.html").stat().st_size > 500_000
    paths = list(pathlib.Path("plots").iterdir())
    (runtime,) = store.load(pathlib.Path("results/small")).record.runtimes
    assert {f"{name}-{runtime}" for name in ("speed", "losses", "drift")} <= {path.stem for path in paths}
    assert all(path.read_bytes().startswith(start) for path in paths)


def test_the_page_of_ten_engines_on_six_runtimes_stays_small():
    run = store.load(ROOT / "results" / "default")
    longer = dataclasses.replace(run.record.plan, steps=60, at=None)
    rounds = [
        dataclasses.replace(
            entry,
            cells={
                name: dataclasses.replace(
                    cell,
                    losses=cell.losses * 10,
                    nanoseconds=cell.nanoseconds * 10,
                    cpu_nanoseconds=cell.cpu_nanoseconds * 10,
                    first_nanoseconds=cell.first_nanoseconds * 10,
                    own_nanoseconds=cell.own_nanoseconds * 10,
                    delay_nanoseconds=cell.delay_nanoseconds * 10,
                    yields=cell.yields * 10,
                )
                for name, cell in entry.cells.items()
            },
        )
        for entry in run.rounds * (32 // len(run.rounds))
    ]
    large = Run(run.folder, dataclasses.replace(run.record, plan=longer), rounds)
    assert len(report.page(large)) < 6_000_000


def test_bad_input(bench_command):
    assert bench_command("report", "nowhere").exit_code == 2
    assert bench_command("report").exit_code == 2
    pathlib.Path("results/x/rounds").mkdir(parents=True)
    shutil.copy(ROOT / "results" / "default" / "run.json", "results/x/run.json")
    done = bench_command("report", "x")
    assert done.exit_code == 2 and "no finished round" in done.stderr
    done = bench_command("report", str(ROOT / "results" / "default"), "--over", "nothing", "--output", "x.html")
    assert done.exit_code == 2 and "no engine 'nothing' in default: choose from parent, reference" in done.stderr
    assert not pathlib.Path("x.html").exists()
