"""Posts events to a web server, signed: an array of JSON, as the API and files have them.

The signature is the HMAC-SHA256 of the body under the hook's secret (RFC 2104), in hexadecimal
digits behind ``sha256=``, as many receivers expect it. Certificates are always checked.
"""

from __future__ import annotations

import hashlib
import hmac
from http import HTTPStatus
from typing import TYPE_CHECKING

from anyio import to_thread

from streamctl.engine.courier import TooLarge
from streamctl.net.http_client import Refused
from streamctl.net.http_post import post
from streamctl.net.http_target import Target
from streamctl.net.tls import client_context

if TYPE_CHECKING:
    import ssl
    from collections.abc import Sequence

    from streamctl.config.model import WebhookConfig
    from streamctl.schema import Event

BATCH = 100
"""Events of one request; some fifty kilobytes."""
SIGNATURE = "X-Streamctl-Signature"
SIZE = "X-Streamctl-Batch-Size"
NAME = "X-Streamctl-Hook"


class Webhook:
    """Implements :class:`streamctl.engine.courier.Delivery`."""

    batch = BATCH

    def __init__(self, config: WebhookConfig) -> None:
        self.config = config
        self.batch_s = config.batch_s
        self._to = Target.of(config.url.get_secret_value())
        self._tls: ssl.SSLContext | None = None

    @property
    def target(self) -> str:
        """Who is told; the path may be a secret."""
        port = f":{self._to.port}" if self._to.port not in {80, 443} else ""
        return f"{self._to.scheme}://{self._to.host}{port}/***"

    async def deliver(self, events: Sequence[Event]) -> str:
        """Post the events.

        Raises:
            TooLarge: the server takes less at once.
            StreamctlError: not reachable, no answer in time, or one that is none of success.
        """
        body = f"[{','.join(event.json_text for event in events)}]".encode()
        headers = {
            "Content-Type": "application/json",
            NAME: self.config.name,
            SIZE: str(len(events)),
        }
        if self.config.secret is not None:
            headers[SIGNATURE] = signature(body, self.config.secret.get_secret_value())
        if self._to.secure and self._tls is None:
            self._tls = await to_thread.run_sync(client_context, self.config.tls_ca)
        within = self.config.timeout_s
        try:
            status = await post(self._to, body, headers, tls=self._tls, timeout_s=within)
        except Refused as error:
            if error.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
                raise TooLarge(error.message) from None
            raise
        return f"answered {status}"


def signature(body: bytes, secret: str) -> str:
    """What proves that a body comes from who knows the secret."""
    return f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"
