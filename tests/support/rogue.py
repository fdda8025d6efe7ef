"""A web server on this computer that does whatever a test wants to the bytes it sends."""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress

Answer = Callable[[socket.socket, str], None]
"""Sends what it likes after it was given the head of a request; the connection is closed afterwards."""


class Rogue:
    """Answers each request by `answer`; use it in a `with` statement."""

    def __init__(self, answer: Answer):
        self.answer = answer
        self.asked: list[str] = []
        """The head of each request."""
        self.over = threading.Event()
        """Set at the end, so that answers that wait for ever can stop."""
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}"

    def __enter__(self) -> "Rogue":
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        with suppress(OSError):  # wakes the one who waits in accept()
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while not self.over.is_set():
                connection, _ = self._server.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.settimeout(30)
            head = b""
            while b"\r\n\r\n" not in head:
                got = connection.recv(4096)
                if not got:
                    return
                head += got
            self.asked.append(head.decode("latin-1"))
            self.answer(connection, self.asked[-1])

    def drip(self, connection: socket.socket, data: bytes, seconds: float) -> None:
        """Send a byte every so many seconds until the test is over."""
        for byte in data:
            connection.sendall(bytes([byte]))
            if self.over.wait(seconds):
                return


def head(status: int = 200, **headers: object) -> bytes:
    """The head of an answer; `content_length=3` is written as `Content-Length: 3`."""
    lines = [f"HTTP/1.1 {status} Whatever", *(f"{key.replace('_', '-')}: {value}" for key, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8")
