"""What the sessions of one listener share: its options, its tasks, its tunnels and groups."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from streamctl_rtsp.server.multicast import Groups
from streamctl_rtsp.server.options import ListenerOptions
from streamctl_rtsp.server.udp_wire import Spreader
from streamctl_rtsp.wire.frames import Shared, moved

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anyio.abc import TaskGroup

    from streamctl.sdk.context import Context
    from streamctl.sdk.endpoints import Gate
    from streamctl_rtsp.server.options import AnyOptions
    from streamctl_rtsp.server.session import RtspSession

MAX_MOVES = 64
"""Sets of channels that are remembered; most clients want one of three."""


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
        self.groups: Groups | None = None
        """The multicast groups, if there are any."""
        if isinstance(options, ListenerOptions) and options.udp and options.multicast is not None:
            self.groups = Groups(self, options, options.multicast)
        self.spreader = Spreader(ctx.clock)
        self.tunnels: dict[str, RtspSession] = {}
        """Connections that answer through HTTP, by the name that both directions have."""
        self._moved: dict[tuple[tuple[int, int], ...], Shared[bytes]] = {}

    def moved(self, channels: Mapping[int, int]) -> Shared[bytes]:
        """What puts the lane's frames on these channels, the same for all who want them."""
        key = tuple(sorted(channels.items()))
        if key not in self._moved:
            if len(self._moved) >= MAX_MOVES:
                self._moved.clear()
            self._moved[key] = Shared(partial(moved, channels=channels))
        return self._moved[key]
