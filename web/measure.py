"""Measures a built playground in the system's Chromium: how it loads, its engines against the port to JavaScript, a profile.

    nox -s playground -- --build site
    python web/measure.py site results/playground.md [STEPS ROUNDS]

Needs the Python packages playwright and psutil. The race is in lockstep, and all takes some minutes.
"""

from __future__ import annotations

import os
import pathlib
import shutil
import statistics
import sys
import threading
import time
from typing import List, Tuple

import psutil
from playwright.sync_api import Browser, Page, sync_playwright

import serve
import worker_profile

PATIENCE = 1_200_000  # ms
ENGINES = ("compiled", "vector", "compiled_unordered", "native")
CHOSEN = ("compiled", "compiled_unordered")  # of whole trainings on the page
PORT = "microgpt.mjs"
WHOLE = 1000  # steps of a training
PAGE = """# Python in the browser, beside JavaScript

The same training in one browser, each engine and the port to JavaScript (`examples/microgpt.mjs`) in a worker of its own, in
turns of ten steps: {steps:,} steps, {rounds} rounds of fresh workers, the default model on given_names with random numbers by
mulberry32. {browser}, {python}, {cores} processors, of whose time other programs took {others:.0%} meanwhile. Above 1 is
faster than the port; behind it the 95 % interval over the rounds.

| engine | ms a step | times as fast | losses, held against the port's |
|---|---|---|---|
{rows}

`native` is the project's own C extension, compiled to WebAssembly; the others are pure Python. The port's compiler warms up in each
round's first steps, as it does in a training. Of both only the step itself is timed, no message.

## Where a step's time goes

Of {sampled:,} steps of `compiled` in the page's worker, sampled every half millisecond, after {warm:,} others: the share of time in each
function of the interpreter, compiled to WebAssembly.

| part | share of the time |
|---|---|
{parts}

`python web/worker_profile.py site ENGINE` says it of any engine.

## A whole training

{whole:,} steps of the default model, from the click to the last step drawn: the page as it comes, with its curves, a sample
every hundred steps and norms of gradients every ten, a message for each step. The port trains in a worker of the same page, with
a message for each step too, and nothing is drawn. By turns, {rounds} times each; the median, and the shortest to the longest.

| engine | s | from … to | other programs meanwhile |
|---|---|---|---|
{trainings}

## Opening the page

From a server on the same machine, with an empty cache, and once more with what the first visit left. The last column: from opening
the page to the first step of a training of the default model, started as soon as Python is there.

| visit | MB transferred | first paint, s | Python ready, s | training, s |
|---|---|---|---|---|
{visits}

`python web/measure.py site results/playground.md {steps} {rounds}` makes this page, after `nox -s playground -- --build site`.
"""
# the port as it trains by itself: its worker's own order, which sends a message for each step
PORTS_TRAINING = """async ([file, text, steps]) => {
  const worker = new Worker(file, { type: 'module' });
  const ask = (order, id) => new Promise((go, fail) => {
    worker.onmessage = ({ data }) => { if (data.id === id && !data.event) 'error' in data ? fail(data.error) : go(); };
    worker.postMessage({ ...order, id });
  });
  await ask({ do: 'start', settings: { options: {}, steps }, documents: text }, 1);
  const started = performance.now();
  await ask({ do: 'run', until: steps }, 2);
  worker.terminate();
  return (performance.now() - started) / 1000;
}"""


class Others:
    """What share of the processors' time programs other than this one and its children take."""

    def __init__(self) -> None:
        self.started, self.before = time.monotonic(), self._seconds()

    def share(self) -> float:
        """Since the beginning."""
        (busy, ours), (busy_before, ours_before) = self._seconds(), self.before
        taken = (busy - busy_before) - (ours - ours_before)
        return max(0.0, taken / (time.monotonic() - self.started) / (os.cpu_count() or 1))

    def _seconds(self) -> Tuple[float, float]:
        now, this = psutil.cpu_times(), psutil.Process()
        ours = 0.0
        for process in (this, *this.children(recursive=True)):
            try:
                ours += sum(process.cpu_times()[:4])
            except psutil.NoSuchProcess:
                continue
        return sum(now) - now.idle - getattr(now, "iowait", 0.0) - getattr(now, "guest", 0.0), ours


def measure(folder: str, steps: int, rounds: int) -> str:
    """The page."""
    server = serve.server(folder)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_address[1]}/"
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        visits = "\n".join(
            visit_row(name, *numbers) for name, numbers in zip(("first", "second"), visits_of(chromium, address))
        )
        page = opened(chromium.new_page(), address + "#tab=race")
        python = page.inner_text("[data-ready=yes]").partition(",")[0]
        others = Others()
        rows = "\n".join("| " + " | ".join(row.split("\t")) + " |" for row in race(page, steps, rounds))
        share = others.share()
        page.close(run_before_unload=False)
        trainings = "\n".join(whole_trainings(chromium, address, folder, rounds))
        parts = worker_profile.shares(chromium, address, folder, "compiled")
        browser = f"Chromium {chromium.version}"
        chromium.close()
    server.shutdown()
    return PAGE.format(
        cores=os.cpu_count(), others=share, steps=steps, rounds=rounds, browser=browser, python=python, rows=rows,
        whole=WHOLE, trainings=trainings, visits=visits, sampled=worker_profile.SAMPLED, warm=worker_profile.WARM,
        parts="\n".join(f"| {name} | {share:.1%} |" for name, share in parts),
    )  # fmt: skip


def opened(page: Page, address: str) -> Page:
    """The page, with Python in it."""
    page.set_default_timeout(PATIENCE)
    page.goto(address)
    page.wait_for_selector("[data-ready=yes]")
    return page


def race(page: Page, steps: int, rounds: int) -> List[str]:
    """The table's rows, after a race in lockstep."""
    there = page.locator(".choices label").all_inner_texts()
    for name in page.locator(".choices label:has(input:checked)").all_inner_texts():
        page.get_by_role("checkbox", name=name, exact=True).uncheck()
    for name in (*[name for name in ENGINES if name in there], PORT):
        page.get_by_role("checkbox", name=name, exact=True).check()
    page.select_option("#race-baseline", PORT)
    page.get_by_label("Lockstep").check()
    page.fill("#race-steps", str(steps))
    page.fill("#race-rounds", str(rounds))
    page.get_by_role("button", name="Start the race").click()
    page.wait_for_selector("button:has-text('Losses as CSV'):not([disabled])")
    return page.inner_text("[data-testid=race]").splitlines()[1:]


def whole_trainings(chromium: Browser, address: str, folder: str, rounds: int) -> List[str]:
    """The table's rows: seconds of whole trainings, by turns, each in a page of its own."""
    file = next(pathlib.Path(folder, "assets").glob("competitor-*.js"))
    text = (pathlib.Path(__file__).parents[1] / "bench/workload/datasets/given_names.txt").read_text(encoding="utf-8")
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in (PORT, *CHOSEN)}
    for turn in range(rounds):
        for name in (*CHOSEN, PORT) if turn % 2 else (PORT, *CHOSEN):
            chosen = "" if name == PORT else f"&engine={name}"
            page = opened(chromium.new_page(), f"{address}#steps={WHOLE}&rng=mulberry32{chosen}")
            if name != PORT:
                page.wait_for_function("document.querySelector('[data-testid=size]')?.innerText.includes('about')")
            others = Others()
            if name == PORT:
                seconds = page.evaluate(PORTS_TRAINING, [f"{address}assets/{file.name}", text, WHOLE])
            else:
                seconds = training(page)
            found[name].append((seconds, others.share()))
            page.close(run_before_unload=False)
    rows = []
    for name, told in found.items():
        times, shares = zip(*told)
        span = f"{min(times):.1f} … {max(times):.1f}"
        rows.append(f"| {name} | {statistics.median(times):.1f} | {span} | {statistics.mean(shares):.0%} |")
    return rows


def training(page: Page) -> float:
    """Seconds from the click on Train to the page that says it is done."""
    started = page.evaluate("performance.now()")
    page.get_by_role("button", name="Train", exact=True).click()
    page.wait_for_function(
        f"document.querySelector('[data-testid=step]').innerText.startsWith('{WHOLE:,} /')", polling=50
    )
    return float(page.evaluate("performance.now()") - started) / 1000


def visits_of(chromium: Browser, address: str) -> List[Tuple[float, ...]]:
    """Bytes and milliseconds (first paint, ready, first step) of a first visit and of a second one."""
    context = chromium.new_context()
    found: List[Tuple[float, ...]] = []
    sizes: List[int] = []
    context.on("requestfinished", lambda request: sizes.append(max(0, request.sizes()["responseBodySize"])))
    for _ in range(2):
        sizes.clear()
        page = opened(context.new_page(), address)
        ready = page.evaluate("performance.now()")
        page.get_by_role("button", name="Train", exact=True).click()
        page.wait_for_function("/^[1-9]/.test(document.querySelector('[data-testid=step]')?.innerText ?? '')")
        training = page.evaluate("performance.now()")
        paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
        transferred = sum(sizes)
        page.wait_for_selector("html[data-offline=yes]", state="attached")
        found.append((transferred, paint, ready, training))
        page.close(run_before_unload=False)
    context.close()
    return found


def visit_row(name: str, transferred: float, *times: float) -> str:
    """A row of the table."""
    return f"| {name} | {transferred / 1e6:.1f} | " + " | ".join(f"{time / 1000:.1f}" for time in times) + " |"


if __name__ == "__main__":
    built, target, *given = sys.argv[1:]
    numbers = [int(number) for number in given] or [1000, 3]
    pathlib.Path(target).write_text(measure(built, *numbers), encoding="utf-8")
