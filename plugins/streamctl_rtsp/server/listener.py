"""The RTSP ports: publishers and viewers on one address, in the clear or over TLS."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from streamctl.net.tcp import TcpServer
from streamctl_rtsp.server.port import Port
from streamctl_rtsp.server.session import RtspSession

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamctl.net.tls import ServerTls
    from streamctl.sdk.context import Context
    from streamctl.sdk.endpoints import Address, Gate
    from streamctl_rtsp.server.options import AnyOptions


class RtspListener:
    """Implements :class:`streamctl.sdk.endpoints.Listener` and ``Retirable``."""

    def __init__(
        self,
        address: Address,
        options: AnyOptions,
        ctx: Context,
        tls: ServerTls | None = None,
    ) -> None:
        self.address = address
        self.options = options
        self.ctx = ctx
        self.tls = tls
        self._server: TcpServer | None = None

    async def serve(self, gate: Gate, *, ready: Callable[[Address], None]) -> None:
        """Accept until cancelled, or retired and left by all.

        Raises:
            ConnectionFailed: the address can't be bound.
            ConfigError: the certificate can't be used.
        """
        failure: Exception | None = None
        async with anyio.create_task_group() as tasks:
            port = Port(gate, self.ctx, self.options, tasks)
            try:
                self._server = TcpServer(
                    self.address,
                    lambda: RtspSession(port),
                    tls=self.tls,
                    key=f"[listeners.{'rtsps' if self.tls else 'rtsp'}] address",
                )
                await self._server.serve(ready)
            except Exception as error:
                # Not from within: a group of tasks would wrap it.
                failure = error
            tasks.cancel_scope.cancel()
        if failure is not None:
            raise failure

    def retire(self) -> None:
        """Free the address; peers that are connected stay."""
        if self._server is not None:
            self._server.retire()
