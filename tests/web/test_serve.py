"""The server of a built playground, as `nox -s playground` starts it."""

import os
import pathlib
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

from tests.web.conftest import WEB

COMMAND = [sys.executable, "-u", WEB / "serve.py"]
NO_BROWSER = {**os.environ, "BROWSER": "true"}  # a command that opens nothing


@pytest.fixture
def built(tmp_path):
    """What looks like a built playground."""
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<title>here</title>")
    (tmp_path / "assets" / "a.mjs").write_text("1")
    (tmp_path / "a.wasm").write_text("1")
    return tmp_path


@pytest.fixture
def taken():
    """A port that another program listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


def refused(*words):
    done = subprocess.run([*COMMAND, *map(str, words)], capture_output=True, text=True, env=NO_BROWSER)
    assert done.returncode == 2 and done.stdout == "" and len(done.stderr.splitlines()) == 1
    return done.stderr


def test_it_serves_on_loopback_until_it_is_ended(built):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = subprocess.Popen([*COMMAND, built, str(port)], stdout=subprocess.PIPE, text=True, env=NO_BROWSER)
    try:
        assert server.stdout.readline() == f"the playground: http://127.0.0.1:{port}/ (Ctrl-C ends it)\n"
        kinds = {}
        for name in ("", "assets/a.mjs", "a.wasm"):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/{name}") as answer:
                kinds[name] = answer.headers["Content-Type"], "immutable" in answer.headers["Cache-Control"]
                assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert kinds == {
            "": ("text/html", False),
            "assets/a.mjs": ("text/javascript", True),
            "a.wasm": ("application/wasm", False),
        }
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/nothing")
        server.send_signal(signal.SIGINT)
        assert server.wait(timeout=60) == 0
    finally:
        server.kill()
        server.stdout.close()
        server.wait()


def test_what_it_cannot_do_is_a_line(built, taken):
    assert "say which folder" in refused()
    assert "has no index.html in it" in refused(built / "assets")
    assert f"port {taken} can't be had" in refused(built, taken)
    for port in ("0", "65536", "http", "-1"):
        assert f"the port is '{port}'" in refused(built, port)
    assert "the port is '1 2'" in refused(built, 1, 2)


def test_where_the_usual_port_is_taken_another_one_serves(built, taken, monkeypatch):
    import serve

    monkeypatch.setattr(serve, "USUAL", taken)
    with serve.opened(str(built), None) as server:
        assert pathlib.Path(server.RequestHandlerClass.keywords["directory"]) == built
        assert server.server_address[0] == "127.0.0.1" and server.server_address[1] != taken
