"""A web server for the page of a model, on this machine alone."""

from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HOST = "127.0.0.1"
#: names of this machine in requests
LOCAL_NAMES = (HOST, "localhost")
#: headers of every answer: isolated from other pages, so that browsers allow several threads
HEADERS = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
#: content types of the page's files by ending; not those of the operating system, which may lack or replace some
CONTENT_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".wasm": "application/wasm",
    ".png": "image/png",
}


class _Handler(SimpleHTTPRequestHandler):
    extensions_map = CONTENT_TYPES | {"": "application/octet-stream"}

    def end_headers(self) -> None:
        """Add the headers of every answer."""
        for name, value in HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def send_head(self):  # type: ignore[no-untyped-def]
        """Answer only requests to this address: other sites could have their names point to it."""
        if self.headers.get("Host", "").partition(":")[0] not in LOCAL_NAMES:
            self.send_error(403)
            return None
        return super().send_head()

    def list_directory(self, path):  # type: ignore[no-untyped-def]
        """Show no directories."""
        self.send_error(404)

    def log_message(self, *_: object) -> None:
        """Print no line for each request."""


def make_server(folder: Path, port: int = 0) -> tuple[ThreadingHTTPServer, str]:
    """Return a server of the files in `folder`, not yet serving, and its address.

    Args:
        folder: the page.
        port: the port on 127.0.0.1; 0 is any free one.

    Raises OSError if the port is in use.
    """
    server = ThreadingHTTPServer((HOST, port), partial(_Handler, directory=str(folder)))
    server.daemon_threads = True
    return server, f"http://{HOST}:{server.server_port}/"
