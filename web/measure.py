"""Races a built playground's engines against the port to JavaScript, in lockstep, in the system's Chromium.

    nox -s playground -- --build site
    python web/measure.py site results/playground.md

Needs the Python package playwright.
"""

from __future__ import annotations

import pathlib
import shutil
import sys
import threading

from playwright.sync_api import sync_playwright

import serve

PATIENCE = 1_200_000  # ms
ENGINES = ("fused_dot", "combined", "compiled", "vector", "compiled_unordered")
PORT = "microgpt.mjs"
PAGE = """# Python in the browser, beside JavaScript

The same training in one browser, each engine and the port to JavaScript (`examples/microgpt.mjs`) in a worker of its own, one
step of each in turn: {steps} steps, {rounds} rounds of fresh workers, the default model on given_names with random numbers by
mulberry32. {browser}, {python}. Above 1 is faster than the port; behind it the 95 % interval over the rounds.

| engine | ms a step | times as fast | losses, held against the port's |
|---|---|---|---|
{rows}

`python web/measure.py site results/playground.md` makes this page, after `nox -s playground -- --build site`.
A browser's clock ticks coarsely, and the port's compiler warms up in each round's first steps, as it does in a training.
"""


def measure(folder: str, steps: int, rounds: int) -> str:
    """The page."""
    server = serve.server(folder)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = chromium.new_page()
        page.set_default_timeout(PATIENCE)
        page.goto(f"http://127.0.0.1:{server.server_address[1]}/#tab=race")
        page.wait_for_selector("[data-ready=yes]")
        for name in (*ENGINES, PORT):
            page.get_by_role("checkbox", name=name, exact=True).check()
        page.select_option("#race-baseline", PORT)
        page.get_by_label("Lockstep").check()
        page.fill("#race-steps", str(steps))
        page.fill("#race-rounds", str(rounds))
        page.get_by_role("button", name="Start the race").click()
        page.wait_for_selector("button:has-text('Losses as CSV'):not([disabled])")
        table = page.inner_text("[data-testid=race]").splitlines()[1:]
        python = page.inner_text("[data-ready=yes]").partition(",")[0]
        version = chromium.version
        chromium.close()
    server.shutdown()
    rows = "\n".join("| " + " | ".join(row.split("\t")) + " |" for row in table)
    return PAGE.format(steps=steps, rounds=rounds, browser=f"Chromium {version}", python=python, rows=rows)


if __name__ == "__main__":
    built, target, *sizes = sys.argv[1:]
    numbers = [int(size) for size in sizes] or [100, 3]
    pathlib.Path(target).write_text(measure(built, *numbers), encoding="utf-8")
