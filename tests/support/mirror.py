"""A web server on this computer with released files, some of which come slowly."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Mirror:
    """Serves `files`, whole or from a byte on; use it in a `with` statement."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        """File name → content."""
        self.asked: list[tuple[str, str | None]] = []
        """(File name, Range header) of each request."""
        self.gate = threading.Event()
        """The second half of each answer is held back until it is set."""
        self.gate.set()
        mirror = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                name, asked_range = self.path.lstrip("/"), self.headers["Range"]
                mirror.asked.append((name, asked_range))
                if name not in mirror.files:
                    self.send_error(404)
                    return
                body, start = mirror.files[name], 0
                if asked_range:
                    start = int(asked_range.removeprefix("bytes=").removesuffix("-"))
                    self.send_response(206)
                    self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
                else:
                    self.send_response(200)
                body = body[start:]
                self.send_header("Content-Length", str(len(body)))
                self.send_header("ETag", '"one"')
                self.end_headers()
                half = len(body) // 2
                try:
                    self.wfile.write(body[:half])
                    self.wfile.flush()
                    while half < len(body):
                        # A trickle, so that the other side notices an interrupt.
                        step = len(body) if mirror.gate.wait(0.05) else half + 1
                        self.wfile.write(body[half:step])
                        half = step
                except OSError:
                    pass  # the other side has gone

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "Mirror":
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
