"""Serves a built playground on loopback, and opens a browser where there is one: python web/serve.py FOLDER [PORT]."""

from __future__ import annotations

import contextlib
import functools
import http.server
import pathlib
import sys
import webbrowser

USUAL = 8000  # port; another one that is free, where it is taken


class Handler(http.server.SimpleHTTPRequestHandler):
    """Files with the types that browsers insist on; what has a hash or a version in its name is kept for good."""

    extensions_map = {
        **http.server.SimpleHTTPRequestHandler.extensions_map,
        ".js": "text/javascript",
        ".mjs": "text/javascript",
        ".wasm": "application/wasm",
        ".json": "application/json",
        ".svg": "image/svg+xml",
    }

    def end_headers(self) -> None:
        fixed = "/assets/" in self.path or "/pyodide-" in self.path
        self.send_header("Cache-Control", "public, max-age=31536000, immutable" if fixed else "no-cache")
        # a page that shares its process with no other site's has a clock of 5 instead of 100 microseconds
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        super().end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


def server(folder: str, port: int = 0) -> http.server.ThreadingHTTPServer:
    """A server of the folder's files on 127.0.0.1; port 0: any that is free."""
    return http.server.ThreadingHTTPServer(("127.0.0.1", port), functools.partial(Handler, directory=folder))


def port_of(words: list[str]) -> int | None:
    """The port among what follows the folder, None for the usual one. Raises ValueError, with a line for the user."""
    if not words:
        return None
    if len(words) > 1 or not (words[0].isascii() and words[0].isdigit() and 1 <= int(words[0]) <= 65535):
        raise ValueError(f"the port is {' '.join(words)!r}: give a whole number from 1 to 65535, or none")
    return int(words[0])


def opened(folder: str, port: int | None) -> http.server.ThreadingHTTPServer:
    """The server. Raises ValueError, with a line for the user, where the port asked for can't be had."""
    if not pathlib.Path(folder, "index.html").is_file():
        raise ValueError(f"{folder} has no index.html in it: build one with nox -s playground -- --build DIR")
    try:
        return server(folder, USUAL if port is None else port)
    except OSError as error:
        if port is None:
            return server(folder)
        raise ValueError(f"port {port} can't be had ({error.strerror}): give another one, or none") from None


def main(words: list[str]) -> None:
    """Serve until Ctrl-C."""
    try:
        if not words:
            raise ValueError("say which folder: python web/serve.py FOLDER [PORT]")
        found = opened(words[0], port_of(words[1:]))
    except ValueError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    address = f"http://127.0.0.1:{found.server_address[1]}/"
    print(f"the playground: {address} (Ctrl-C ends it)", flush=True)
    webbrowser.open(address)
    with contextlib.suppress(KeyboardInterrupt):
        found.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1:])
