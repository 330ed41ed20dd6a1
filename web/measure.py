"""Measures a built playground in the system's Chromium: how it loads, and its engines against the port to JavaScript.

    nox -s playground -- --build site
    python web/measure.py site results/playground.md [STEPS ROUNDS]

Needs the Python package playwright. The race is in lockstep, and takes some minutes.
"""

from __future__ import annotations

import os
import pathlib
import shutil
import sys
import threading
from typing import List, Tuple

from playwright.sync_api import Browser, Page, sync_playwright

import serve

PATIENCE = 1_200_000  # ms
ENGINES = ("compiled", "vector", "compiled_unordered", "native")
PORT = "microgpt.mjs"
PAGE = """# Python in the browser, beside JavaScript

The same training in one browser, each engine and the port to JavaScript (`examples/microgpt.mjs`) in a worker of its own, in
turns of ten steps: {steps:,} steps, {rounds} rounds of fresh workers, the default model on given_names with random numbers by
mulberry32. {browser}, {python}; load of the machine when it began: {load:.1f} on {cores} processors. Above 1 is
faster than the port; behind it the 95 % interval over the rounds.

| engine | ms a step | times as fast | losses, held against the port's |
|---|---|---|---|
{rows}

`native` is the project's own C extension, compiled to WebAssembly; the others are pure Python. The port's compiler warms up in each
round's first steps, as it does in a training.

## Opening the page

From a server on the same machine, with an empty cache, and once more with what the first visit left. The last column: from opening
the page to the first step of a training of the default model, started as soon as Python is there.

| visit | MB transferred | first paint, s | Python ready, s | training, s |
|---|---|---|---|---|
{visits}

`python web/measure.py site results/playground.md {steps} {rounds}` makes this page, after `nox -s playground -- --build site`.
"""


def measure(folder: str, steps: int, rounds: int) -> str:
    """The page."""
    load, cores = os.getloadavg()[0], os.cpu_count()
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
        rows = "\n".join("| " + " | ".join(row.split("\t")) + " |" for row in race(page, steps, rounds))
        browser = f"Chromium {chromium.version}"
        chromium.close()
    server.shutdown()
    return PAGE.format(
        load=load, cores=cores, steps=steps, rounds=rounds, browser=browser, python=python, rows=rows, visits=visits
    )


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


def visits_of(chromium: Browser, address: str) -> List[Tuple[float, ...]]:
    """Bytes and milliseconds (first paint, ready, first step) of a first visit and of a second one."""
    context = chromium.new_context()
    found, sizes = [], []
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
