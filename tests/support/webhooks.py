"""A real web server that is told what happens, and answers as a test wants it to."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator

POLL_S = 0.01


@dataclass(slots=True)
class Call:
    """One request as it arrived."""

    path: str
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes

    @property
    def events(self) -> list[dict[str, Any]]:
        """What it tells."""
        found = json.loads(self.body)
        assert isinstance(found, list)
        return found

    def signed_with(self, secret: str) -> bool:
        """Whether the signature is right."""
        digest = hmac.new(secret.encode(), self.body, hashlib.sha256).hexdigest()
        return hmac.compare_digest(self.headers["x-streamctl-signature"], f"sha256={digest}")


@dataclass(slots=True)
class Receiver:
    """What the server has heard, and how it answers from now on."""

    port: int = 0
    scheme: str = "http"
    calls: list[Call] = field(default_factory=list)
    """Every request, also those that were refused."""
    answers: list[int] = field(default_factory=list)
    """Statuses of the next answers; then 204. 0 = closes without any, -1 = never answers."""
    location: str = ""
    """Where redirects lead."""
    released: threading.Event = field(default_factory=threading.Event)
    """Set at the end, for those that never answer."""

    def url(self, path: str = "/hook") -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}{path}"

    @property
    def told(self) -> list[dict[str, Any]]:
        """Events of all requests, in order."""
        return [event for call in self.calls for event in call.events]

    def wait(self, done: Callable[[], bool], timeout_s: float = 10) -> None:
        """Block until something holds."""
        deadline = time.monotonic() + timeout_s
        while not done():
            assert time.monotonic() < deadline, f"{len(self.calls)} calls"
            time.sleep(POLL_S)


@contextmanager
def receiving(tls: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    """A server on a free port of this machine, in threads of its own."""
    receiver = Receiver(scheme="https" if tls else "http")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): text for name, text in self.headers.items()}
            receiver.calls.append(Call(self.path, headers, body))
            status = receiver.answers.pop(0) if receiver.answers else 204
            if status == -1:
                receiver.released.wait(30)
            if status <= 0:
                self.close_connection = True
                return
            self.send_response(status)
            if receiver.location:
                self.send_header("Location", receiver.location)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            del args

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    receiver.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(POLL_S,), daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.released.set()
        server.shutdown()
        server.server_close()
        thread.join()
