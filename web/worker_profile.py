"""Where a training's time goes in the browser: python web/worker_profile.py FOLDER [ENGINE], of a built playground.

Samples the page's worker every half millisecond while it trains. A function of the interpreter has a name here where Pyodide
exports it; those without one are counted together.
"""

from __future__ import annotations

import json
import pathlib
import re
import shutil
import sys
import threading
from collections import Counter
from typing import Any, Dict, Iterator, List, Tuple

from playwright.sync_api import Browser, Page, sync_playwright

import serve

PATIENCE = 300_000  # ms
INTERVAL = 500  # microseconds
WARM = 400  # steps before the samples
SAMPLED = 800  # steps
ROWS = 9
PARTS = {  # of names that belong together
    "_PyEval_EvalFrameDefault": "the loop over instructions",
    "malloc": "malloc, free",
    "free": "malloc, free",
}
DONE = "Number(document.querySelector('[data-testid=step]').innerText.split(' ')[0].replace(',', ''))"


def shares(chromium: Browser, address: str, folder: str, engine: str) -> List[Tuple[str, float]]:
    """The largest parts with their shares, then all functions without a name, and what is not WebAssembly."""
    page = chromium.new_page()
    page.set_default_timeout(PATIENCE)
    worker = Worker(page)
    page.goto(f"{address}#steps=20000&engine={engine}&rng=mulberry32")
    page.wait_for_selector("[data-ready=yes]")
    page.get_by_role("button", name="Train", exact=True).click()
    page.wait_for_function(f"{DONE} > {WARM}")
    worker.send("Profiler.enable")
    worker.send("Profiler.setSamplingInterval", interval=INTERVAL)
    worker.send("Profiler.start")
    page.wait_for_function(f"{DONE} > {page.evaluate(DONE) + SAMPLED}")
    profile = worker.send("Profiler.stop")["profile"]
    page.close(run_before_unload=False)
    names = exported(next(pathlib.Path(folder).glob("pyodide-*/pyodide.asm.wasm")).read_bytes())
    return parts_of(profile, names)


class Worker:
    """The page's first worker, spoken to through the page's own session."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.attached: List[str] = []
        self.answers: Dict[int, Dict[str, Any]] = {}
        self.session = page.context.new_cdp_session(page)
        self.session.on("Target.attachedToTarget", self._meet)
        self.session.on("Target.receivedMessageFromTarget", self._hear)
        self.session.send(
            "Target.setAutoAttach", {"autoAttach": True, "waitForDebuggerOnStart": False, "flatten": False}
        )
        self.last = 0

    def _meet(self, event: Dict[str, Any]) -> None:
        if event["targetInfo"]["type"] == "worker":
            self.attached.append(event["sessionId"])

    def _hear(self, event: Dict[str, Any]) -> None:
        answer = json.loads(event["message"])
        if "id" in answer:
            self.answers[answer["id"]] = answer

    def send(self, method: str, **params: Any) -> Dict[str, Any]:
        """The answer's result."""
        self.last += 1
        message = json.dumps({"id": self.last, "method": method, "params": params})
        self.session.send("Target.sendMessageToTarget", {"sessionId": self.attached[0], "message": message})
        while self.last not in self.answers:
            self.page.wait_for_timeout(50)
        return dict(self.answers[self.last]["result"])


def parts_of(profile: Dict[str, Any], names: Dict[int, str]) -> List[Tuple[str, float]]:
    """Shares of the samples' time by part."""
    called = {node["id"]: node["callFrame"]["functionName"] for node in profile["nodes"]}
    taken: Counter[str] = Counter()
    for sample, microseconds in zip(profile["samples"], profile["timeDeltas"]):
        taken[part_of(called[sample], names)] += microseconds
    del taken[""]
    total = taken.total()
    unnamed, outside = (taken.pop(name, 0) for name in (UNNAMED, OUTSIDE))
    rows = [*taken.most_common(ROWS), (UNNAMED, unnamed), (OUTSIDE, outside)]
    rest = total - sum(microseconds for _, microseconds in rows)
    return [(name, microseconds / total) for name, microseconds in [*rows, ("other functions with a name", rest)]]


UNNAMED = "functions without a name, together"
OUTSIDE = "JavaScript: orders, messages, the clock"


def part_of(function: str, names: Dict[int, str]) -> str:
    """What a function of the profile counts as; "" for a worker that has nothing to do."""
    if function == "(idle)":
        return ""
    found = re.fullmatch(r"wasm-function\[(\d+)\]", function)
    if not found:
        return OUTSIDE
    name = names.get(int(found[1]))
    return PARTS.get(name, f"`{name}`") if name else UNNAMED


def exported(binary: bytes) -> Dict[int, str]:
    """Names of a WebAssembly module's functions by index, the first where there are several."""
    names: Dict[int, str] = {}
    place = 8  # behind the magic number and the version
    while place < len(binary):
        kind = binary[place]
        size, place = number_at(binary, place + 1)
        if kind == 7:  # the section of exports
            for name, what, index in exports(binary, place):
                if what == 0:
                    names.setdefault(index, name)
        place += size
    return names


def exports(binary: bytes, place: int) -> Iterator[Tuple[str, int, int]]:
    """Name, kind and index of each export in the section that begins there."""
    count, place = number_at(binary, place)
    for _ in range(count):
        length, place = number_at(binary, place)
        name = binary[place : place + length].decode()
        index, after = number_at(binary, place + length + 1)
        yield name, binary[place + length], index
        place = after


def number_at(binary: bytes, place: int) -> Tuple[int, int]:
    """An unsigned LEB128 number, and the place behind it."""
    value = shift = 0
    while True:
        byte = binary[place]
        place += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, place


def main(folder: str, engine: str = "compiled") -> None:
    """Print the table."""
    server = serve.server(folder)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for name, share in shares(chromium, f"http://127.0.0.1:{server.server_address[1]}/", folder, engine):
            print(f"{share:6.1%}  {name}")
        chromium.close()
    server.shutdown()


if __name__ == "__main__":
    main(*sys.argv[1:])
