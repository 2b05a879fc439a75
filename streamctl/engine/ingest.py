"""The two ways by which media comes to a stream: pulled by a plugin's source, or published.

An input knows how its attempts are made and what they measure; when they are made, and whose
media goes on air, is decided elsewhere: see :mod:`~streamctl.engine.inputs`.
"""

from __future__ import annotations

import logging
import math
from dataclasses import replace
from typing import TYPE_CHECKING

import anyio

from streamctl.config.model import PublishKeys
from streamctl.engine.health import SOUND, Health, Reading
from streamctl.errors import StreamctlError
from streamctl.sdk.endpoints import Measured, Numbered, Patient
from streamctl.sdk.session import Transit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamctl.config.model import InputConfig
    from streamctl.engine.intake import Intake
    from streamctl.engine.stream import Stream
    from streamctl.media.packet import Track
    from streamctl.sdk.endpoints import Source
    from streamctl.sdk.plugin import ProtocolPlugin
    from streamctl.sdk.session import Session

log = logging.getLogger("streamctl.ingest")


class Input:
    """One input of a stream."""

    def __init__(self, number: int, config: InputConfig) -> None:
        self.number = number
        """Stays the same while the input is configured."""
        self.config = config
        self.intake: Intake | None = None
        """What the attempt under way writes to."""
        self.health = Health()
        self.complaint = SOUND
        self.tracks: Sequence[Track] = ()
        """What it delivered last."""
        self.progress: float | None = 0.0
        """How far the intake was when it was looked at last."""
        self.attempts = 0
        self.last_error = ""

    @property
    def waiting(self) -> str:
        """Why silence is no failure at the moment; empty = it is one."""
        return ""

    @property
    def peer(self) -> str:
        """Who is at the other end, as ``ip:port``; empty = unknown, or nobody."""
        return ""

    @property
    def finished(self) -> bool:
        """Whether it came to its end and there is nothing to wait for."""
        return False

    def measure(self) -> dict[str, object]:
        """What the protocol measures of the connection."""
        return {}

    def transit(self) -> Transit:
        """What became of packets that the protocol numbers."""
        return Transit()

    def reading(self) -> Reading:
        """What the attempt under way has counted."""
        if self.intake is None:
            return Reading()
        counted = self.intake.reading()
        if counted.came:
            return counted
        transit = self.transit()
        return replace(counted, came=transit.came, lost=transit.lost)

    def stop(self, reason: str) -> None:
        """End the attempt under way."""


class PullInput(Input):
    """An input that is pulled by a plugin's source, afresh in each attempt."""

    def __init__(
        self, number: int, config: InputConfig, plugin: ProtocolPlugin, stream: Stream
    ) -> None:
        super().__init__(number, config)
        self.plugin = plugin
        self.stream = stream
        self.error: StreamctlError | None = None
        """The error of the last attempt, None after a clean end."""
        self.ended = False
        self.past_duration_s = 0.0
        self.source: Source | None = None
        """The running attempt's source."""
        self._scope: anyio.CancelScope | None = None
        self._told = ""

    @property
    def duration_s(self) -> float:
        """Length of the source, seconds; 0 = unknown or endless."""
        return self.source.duration_s if self.source else self.past_duration_s

    @property
    def waiting(self) -> str:
        """The peer that the running attempt waits for; empty = none."""
        source: object = self.source
        return source.waiting if isinstance(source, Patient) else ""

    @property
    def finished(self) -> bool:
        """Whether the source came to its end."""
        return self.ended

    def measure(self) -> dict[str, object]:
        """What the source measures."""
        source: object = self.source
        return dict(source.measure()) if isinstance(source, Measured) else {}

    def transit(self) -> Transit:
        """What became of the source's packets."""
        source: object = self.source
        return source.transit() if isinstance(source, Numbered) else Transit()

    def prepare(self) -> None:
        """An attempt will be made, and may be stopped from now on."""
        self._scope = anyio.CancelScope()
        self._told = ""
        self.ended = False

    async def attempt(self, intake: Intake) -> None:
        """One connection, written to ``intake``; sets :attr:`error`."""
        stream, url = self.stream, self.config.url
        self.attempts += 1
        self.error = None
        self.intake = intake
        try:
            with self._scope or anyio.CancelScope():
                context = stream.services.context(self.plugin.kind)
                self.source = self.plugin.source(url, self.config.options, context)
                await self.source.run(intake)
            if self._told:
                self.error = StreamctlError(self._told)
        except StreamctlError as error:
            self.error = error
        except Exception as error:
            log.exception("stream %s: input %s failed", stream.code, url.redacted)
            self.error = StreamctlError(f"{type(error).__name__}: {error}")
        finally:
            self.past_duration_s = self.duration_s
            self.source = None
        if self.error is not None:
            self.last_error = str(self.error)

    def stop(self, reason: str) -> None:
        """End the running attempt."""
        self._told = reason
        if self._scope is not None:
            self._scope.cancel()


class Slot(Input):
    """A place for a publisher."""

    def __init__(self, number: int, config: InputConfig) -> None:
        super().__init__(number, config)
        self.session: Session | None = None
        self.left = ""
        """Why the last publisher is gone."""
        self.left_at = -math.inf
        """When it went."""

    @property
    def key(self) -> str | None:
        """Who knows it may publish here."""
        options = self.config.options
        if not isinstance(options, PublishKeys) or options.key is None:
            return None
        return options.key.get_secret_value()

    @property
    def override(self) -> bool:
        """Whether a new publisher takes the place of the present one."""
        options = self.config.options
        return isinstance(options, PublishKeys) and options.override

    @property
    def peer(self) -> str:
        """The publisher."""
        return self.session.peer if self.session is not None else ""

    def measure(self) -> dict[str, object]:
        """What is measured of the publisher's connection."""
        return dict(self.session.measure()) if self.session is not None else {}

    def transit(self) -> Transit:
        """What became of the publisher's packets."""
        return self.session.transit() if self.session is not None else Transit()
