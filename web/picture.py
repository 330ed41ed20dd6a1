"""Takes the README's picture of the playground: python web/picture.py FOLDER FILE.png, of a built one, in the system's Chromium."""

from __future__ import annotations

import shutil
import sys
import threading

from playwright.sync_api import sync_playwright

import serve

PATIENCE = 300_000  # ms


def take(folder: str, target: str) -> None:
    """Train three hundred steps on names and take the page as it is then."""
    server = serve.server(folder)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = chromium.new_page(viewport={"width": 1200, "height": 820}, color_scheme="light")
        page.set_default_timeout(PATIENCE)
        page.goto(f"http://127.0.0.1:{server.server_address[1]}/#steps=300")
        page.wait_for_selector("[data-ready=yes]")
        page.get_by_role("button", name="Train", exact=True).click()
        page.get_by_role("button", name="Train anew").wait_for()
        page.wait_for_timeout(500)  # the bar's last move
        page.screenshot(path=target)
        chromium.close()
    server.shutdown()


if __name__ == "__main__":
    take(*sys.argv[1:])
