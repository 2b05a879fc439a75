"""What the sessions of one listener share: its options, its tasks, its tunnels and groups."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamctl_rtsp.server.options import ListenerOptions

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

    from streamctl.sdk.context import Context
    from streamctl.sdk.endpoints import Gate
    from streamctl_rtsp.server.options import AnyOptions
    from streamctl_rtsp.server.session import RtspSession


class Port:
    """One listening address."""

    def __init__(
        self,
        gate: Gate,
        ctx: Context,
        options: AnyOptions,
        tasks: TaskGroup,
    ) -> None:
        self.gate = gate
        self.ctx = ctx
        self.options = options
        self.tasks = tasks
        """Where sessions wait for what takes time; ends with the listener."""
        self.takes_udp = isinstance(options, ListenerOptions) and options.udp
        """Whether media may travel over UDP: beside an encrypted connection it may not."""
        self.tunnels: dict[str, RtspSession] = {}
        """Connections that answer through HTTP, by the name that both directions have."""
