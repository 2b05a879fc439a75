"""The RTMP ports: publishers and players on one address, in the clear or over TLS."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from streamctl.net.tcp import TcpServer
from streamctl_rtmp.session import RtmpSession
from streamctl_rtmp.wire.asking import Asker

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamctl.net.tls import ServerTls
    from streamctl.sdk.context import Context
    from streamctl.sdk.endpoints import Address, Gate


class RtmpListener:
    """Implements :class:`streamctl.sdk.endpoints.Listener` and ``Retirable``."""

    def __init__(
        self,
        address: Address,
        ctx: Context,
        tls: ServerTls | None = None,
        *,
        ask_user: bool = False,
    ) -> None:
        self.address = address
        self.ctx = ctx
        self.tls = tls
        self._server: TcpServer | None = None
        self.asker = Asker(secrets.token_bytes) if ask_user else None

    async def serve(self, gate: Gate, *, ready: Callable[[Address], None]) -> None:
        """Accept until cancelled, or retired and left by all.

        Raises:
            ConnectionFailed: the address can't be bound.
            ConfigError: the certificate can't be used.
        """
        self._server = TcpServer(
            self.address,
            lambda: RtmpSession(gate, self.ctx, self.asker),
            tls=self.tls,
            key="[listeners.rtmps] address" if self.tls else "[listeners.rtmp] address",
        )
        await self._server.serve(ready)

    def retire(self) -> None:
        """Free the address; peers that are connected stay."""
        if self._server is not None:
            self._server.retire()
