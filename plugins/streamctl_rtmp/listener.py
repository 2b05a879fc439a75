"""The RTMP port: publishers and players on one address, in the clear or over TLS."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from streamctl.errors import ConfigError
from streamctl.net.tcp import serve_tcp
from streamctl_rtmp.session import RtmpSession

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamctl.sdk.context import Context
    from streamctl.sdk.endpoints import Address, Gate
    from streamctl_rtmp.options import ListenerOptions


class RtmpListener:
    """Implements :class:`streamctl.sdk.endpoints.Listener`."""

    def __init__(self, address: Address, options: ListenerOptions, ctx: Context) -> None:
        self.address = address
        self.options = options
        self.ctx = ctx

    async def serve(self, gate: Gate, *, ready: Callable[[Address], None]) -> None:
        """Accept until cancelled.

        Raises:
            ConnectionFailed: the address can't be bound.
            ConfigError: the certificate can't be loaded.
        """
        tls = tls_context(self.options)
        await serve_tcp(
            self.address,
            lambda: RtmpSession(gate, self.ctx),
            ready=ready,
            tls=tls,
            key="[listeners.rtmps] address" if tls else "[listeners.rtmp] address",
        )


def tls_context(options: ListenerOptions) -> ssl.SSLContext | None:
    """The server's TLS context; None = in the clear.

    Raises:
        ConfigError: the certificate or the key can't be loaded.
    """
    if options.tls_cert is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(options.tls_cert, options.tls_key)
    except OSError as error:
        raise ConfigError(
            f"can't load the certificate `{options.tls_cert}`: {error}", key="listeners.rtmps"
        ) from error
    return context
