"""Serves a built playground on loopback, and opens a browser where there is one: python web/serve.py FOLDER [PORT]."""

from __future__ import annotations

import contextlib
import functools
import http.server
import sys
import webbrowser


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


if __name__ == "__main__":
    try:
        found = server(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 8000)
    except OSError:
        found = server(sys.argv[1])  # the usual port is taken
    address = f"http://127.0.0.1:{found.server_address[1]}/"
    print(f"the playground: {address} (Ctrl-C ends it)", flush=True)
    webbrowser.open(address)
    with contextlib.suppress(KeyboardInterrupt):
        found.serve_forever()
