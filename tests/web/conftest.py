"""The playground, built once for all processes of the tests, on a server, in the system's Chromium."""

import contextlib
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import threading

import filelock
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
WEB = ROOT / "web"
sys.path[:0] = [str(WEB), str(WEB / "python")]
# where CPython can be told to compute exp, log and pow as WebAssembly does: web/golden.py says how
PLAIN_LIBRARY = platform.machine() == "x86_64" and platform.libc_ver()[0] == "glibc"
PATIENCE = 120_000  # ms, on a busy machine
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def shared(tmp_path_factory):
    """A folder that all processes of this test run share."""
    folder = tmp_path_factory.getbasetemp()
    return folder.parent if os.environ.get("PYTEST_XDIST_WORKER") else folder


@pytest.fixture(scope="session")
def npm(shared):
    """The command, with the packages installed as the lock file has them."""
    found = shutil.which("npm")
    if found is None:
        pytest.skip("needs Node with npm")
    with filelock.FileLock(shared / "packages.lock"):
        lock, installed = WEB / "package-lock.json", WEB / "node_modules" / ".package-lock.json"
        if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
            subprocess.run([found, "ci", "--silent"], cwd=WEB, check=True, timeout=300)
    return found


@pytest.fixture(scope="session")
def wasm(npm, shared):
    """Whether the engine native is there for the browser: compiled here, or left by `nox -s playground`, which a build finds."""
    with filelock.FileLock(shared / "wasm.lock"):
        told = shared / "wasm"
        if not told.exists():
            subprocess.run([sys.executable, ROOT / "native" / "wasm.py"], timeout=300, capture_output=True)
            told.write_text("yes" if any((ROOT / "native").glob("*wasm32-emscripten.so")) else "")
    return bool(told.read_text())


@pytest.fixture(scope="session")
def site(npm, wasm, shared):
    """The folder of the built playground."""
    folder = shared / "playground"
    with filelock.FileLock(f"{folder}.lock"):
        if not (folder / "index.html").exists():
            build = [npm, "run", "--silent", "build", "--", "--outDir", str(folder), "--emptyOutDir"]
            subprocess.run(build, cwd=WEB, check=True, timeout=300, capture_output=True)
    return folder


@pytest.fixture(scope="session")
def browser():
    """The system's Chromium, without a window."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        pytest.skip("needs Chromium: install it, for instance with apt install chromium")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=found, args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def address(site, tmp_path_factory):
    """The playground below a path of a server on loopback, as on a page of a project."""
    import serve

    folder = tmp_path_factory.mktemp("server")
    (folder / "below").mkdir()
    os.symlink(site, folder / "below" / "a path", target_is_directory=True)
    server = serve.server(str(folder))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/below/a%20path/"
    server.shutdown()
    thread.join()


@contextlib.contextmanager
def opened(browser, address, hash="", ready=True, expected=(), before=lambda page: None, **how):
    """The page, with Python in it; fails on any console error, and on a request that leaves the page's own origin.

    ``expected``: what errors may be about; ``before``: what is done before the page is loaded.
    """
    context = browser.new_context(**{"viewport": {"width": 1400, "height": 900}, **how})
    page, trouble = context.new_page(), []
    page.set_default_timeout(PATIENCE)
    origin = "/".join(address.split("/")[:3])
    page.on("console", lambda message: message.type == "error" and trouble.append(message.text))
    page.on("pageerror", lambda error: trouble.append(str(error)))
    context.on(
        "request", lambda request: request.url.startswith((origin, "blob:", "data:")) or trouble.append(request.url)
    )
    before(page)
    page.goto(address + hash)
    if ready:
        page.wait_for_selector("[data-ready=yes]")
    yield page
    context.close()
    assert [line for line in trouble if not any(word in line for word in expected)] == []


def button(page, name):
    return page.get_by_role("button", name=name, exact=True)


def wait_for_text(page, selector, text):
    """Until the element has the text."""
    page.wait_for_function(
        "([selector, text]) => document.querySelector(selector)?.innerText.includes(text)", arg=[selector, text]
    )
