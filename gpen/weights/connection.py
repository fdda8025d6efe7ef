"""One request to a mirror, over https; everything that may go wrong there is a `MirrorError`."""

import http.client
import urllib.error
import urllib.request
from collections.abc import Generator
from dataclasses import dataclass
from typing import IO, Any
from urllib.parse import quote, urlsplit

TIMEOUT = 30.0
"""Seconds without a byte after which a connection counts as lost."""
CHUNK = 1 << 16
MOST_LETTERS = 300
"""Of an error's message."""


class MirrorError(Exception):
    """A mirror cannot be reached, stopped before the end, or has another file; the message says which."""

    def __init__(self, message: str, status: int | None = None):
        # Half of it may be a stranger's.
        super().__init__(message if len(message) <= MOST_LETTERS else f"{message[:MOST_LETTERS]}…")
        self.status = status


@dataclass(frozen=True)
class Head:
    """What a server says before it sends the file."""

    status: int
    headers: Any
    length: int | None


def ask(url: str, have: int, validator: str) -> Generator[Head | bytes, None, None]:
    """What a server answers: its head, then the file, or only what lacks of it after the first `have` bytes if it is
    still the file that `validator` (see `Origin`) belongs to."""
    with _open(url, have, validator) as response:
        yield Head(response.status, response.headers, response.length)
        while chunk := _read(response):
            yield chunk


def _open(url: str, have: int, validator: str) -> http.client.HTTPResponse:
    try:
        request = urllib.request.Request(_encoded(url), headers={"User-Agent": "gpen-face-restore"})
        _check_scheme(request.full_url)
        if have:
            request.add_header("Range", f"bytes={have}-")
            request.add_header("If-Range", validator)
        return _opener.open(request, timeout=TIMEOUT)
    except MirrorError:
        raise
    except urllib.error.HTTPError as error:
        error.close()
        raise MirrorError(f"the server answers {error.code} {error.reason}", error.code) from error
    except Exception as error:  # an address or an answer that makes no sense fails in many ways
        raise MirrorError(f"cannot be reached ({getattr(error, 'reason', None) or error!r})") from error


def _encoded(url: str) -> str:
    """An address as it goes over the line: letters that are not Latin by their codes (RFC 3987, 3.1)."""
    parts = urlsplit(url)
    host = parts.netloc.encode("idna").decode("ascii")
    kept = "%/:=&~+!$,;'@()*"  # what is encoded already stays as it is
    return parts._replace(netloc=host, path=quote(parts.path, kept), query=quote(parts.query, kept + "?")).geturl()


def _read(response: http.client.HTTPResponse) -> bytes:
    try:
        return response.read1(CHUNK)  # what is there: a server that drips is not waited for
    except Exception as error:  # as in `_open`
        raise MirrorError(f"the connection was lost ({error!r})") from error


def _check_scheme(url: str) -> None:
    # Nobody can listen in on, or change, what never leaves this computer.
    here = urlsplit(url).hostname in ("127.0.0.1", "localhost", "::1")
    if urlsplit(url).scheme != "https" and not (here and urlsplit(url).scheme == "http"):
        raise MirrorError(f"{url} is not an https link, so it was not followed")


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Mirrors send us on to their storage; never from https to anything else."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        _check_scheme(newurl)
        if urlsplit(req.full_url).scheme == "https" and urlsplit(newurl).scheme != "https":
            raise MirrorError(f"{newurl} is not an https link, so it was not followed")
        fp.close()  # urllib would read it to its end, which it may not have
        return super().redirect_request(req, fp, code, msg, headers, newurl)


_opener = urllib.request.build_opener(_Redirects)
