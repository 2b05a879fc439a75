"""Probes what a plugin pulls by its own source, for protocols that libav lacks or knows less of.

The source receives exactly as it does in a server: with the same logins, transports and trust in
certificates. Access units are measured as they come; MPEG-TS is kept in a file for a while, which
is then probed like any other, with all its tracks.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
from anyio import to_thread

from streamctl.avworker.client import NETWORK_DURATION_S, AvWorkerClient
from streamctl.avworker.survey import Survey
from streamctl.engine.job import puller
from streamctl.engine.services import PluginContext
from streamctl.errors import ConfigError, ConnectionFailed, MediaError, StreamctlError
from streamctl.net.clock import LoopClock
from streamctl.sdk.endpoints import Patient
from streamctl.sdk.url import StreamURL

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from streamctl.avworker.report import ProbeReport
    from streamctl.media.packet import Packet, Track
    from streamctl.registry import Registry
    from streamctl.sdk.endpoints import Source
    from streamctl.sdk.plugin import ProtocolPlugin

LIBAV_SCHEMES = frozenset({"file", "http", "https", "rtmp", "rtmps", "tcp"})
"""What libav reads as well as we do; it also names tracks that can't be carried."""
MAX_TS_BYTES = 64 << 20
"""Ten seconds at 50 Mbit/s: it is held in memory, and then in a file."""


def sampled(registry: Registry, target: str) -> tuple[ProtocolPlugin, StreamURL] | None:
    """The plugin whose source is to be probed, and its URL; None if libav reads it.

    Raises:
        UnknownScheme: nothing reads it.
        Unsupported: it is no source.
    """
    try:
        url = StreamURL.parse(target)
    except ConfigError:
        # What no plugin knows, such as the page of a finished film, libav may.
        return None
    return None if url.scheme in LIBAV_SCHEMES else (puller(registry, url), url)


async def measure(
    plugin: ProtocolPlugin, url: StreamURL, *, duration_s: float, timeout_s: float
) -> ProbeReport:
    """Measure ``duration_s`` of media, 0 = ten seconds, for no longer than ``timeout_s``.

    Raises:
        ConfigError: the URL can't be used.
        ConnectionFailed: the source can't be reached, refuses, or stays silent.
        MediaError: what comes can't be read.
    """
    options = plugin.InputOptions()
    plugin.check_input(url, options)
    wanted_s = duration_s or NETWORK_DURATION_S
    sample = Sample(wanted_s)
    source = plugin.source(url, options, context(url, timeout_s))
    failure = await receive_until(source, sample, timeout_s)
    if failure is not None and not sample.came:
        raise failure
    notes = [] if failure is None else [f"it ended early: {failure.message}"]
    if sample.ts:
        report = await report_of(sample.ts, url.redacted, timeout_s)
        told: dict[str, Any] = {"duration_s": 0.0, "notes": [*report.notes, *notes]}
        return report.model_copy(update={"target": url.redacted, **told})
    if not sample.survey.packets:
        raise MediaError(f"nothing could be read of `{url.redacted}`")
    return sample.survey.report(url.redacted, url.scheme, notes)


async def receive_until(source: Source, sample: Sample, timeout_s: float) -> StreamctlError | None:
    """Receive until there is enough; why it ended before that."""
    ended: StreamctlError | None = None

    async def receive(scope: anyio.CancelScope) -> None:
        nonlocal ended
        try:
            await source.run(sample)
        except StreamctlError as error:
            ended = error
        scope.cancel()

    with anyio.move_on_after(timeout_s) as limit:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(receive, tasks.cancel_scope)
            await sample.full.wait()
            tasks.cancel_scope.cancel()
    if limit.cancelled_caught and not sample.came:
        patient = source.waiting if isinstance(source, Patient) else ""
        hint = patient or "is anybody publishing?"
        return ConnectionFailed(f"nothing came within {timeout_s:g} s", hint=hint)
    return ended


async def report_of(ts: bytes | bytearray, shown: str, timeout_s: float) -> ProbeReport:
    """What libav says of MPEG-TS, in a file that is gone afterwards.

    Raises:
        MediaError: it holds nothing that can be read.
    """
    folder = await to_thread.run_sync(tempfile.mkdtemp)
    path = Path(folder, "sample.ts")
    try:
        await to_thread.run_sync(path.write_bytes, ts)
        return await AvWorkerClient().probe(path, timeout_s=timeout_s)
    except MediaError as error:
        words = error.message.replace(f"`{path}`", f"`{shown}`")
        raise MediaError(words, hint=error.hint) from None
    finally:
        with anyio.CancelScope(shield=True):
            await to_thread.run_sync(shutil.rmtree, folder)


def context(url: StreamURL, timeout_s: float) -> PluginContext:
    """What the source is given."""
    return PluginContext(
        clock=LoopClock(),
        log=logging.getLogger(f"streamctl.{url.kind}"),
        avworker=AvWorkerClient(),
        handshake_s=timeout_s,
        media_roots=(".", "/"),
    )


class Sample:
    """Implements :class:`streamctl.sdk.lane.EpochWriter`: takes in, and says when it is enough."""

    def __init__(self, wanted_s: float) -> None:
        self.wanted_s = wanted_s
        self.survey = Survey()
        self.full = anyio.Event()
        self.ts = bytearray()
        self.began = 0.0

    @property
    def came(self) -> bool:
        """Whether there is anything to report."""
        return bool(self.ts or self.survey.packets)

    def tracks(self, tracks: Sequence[Track]) -> None:
        """Remember them."""
        self.survey.announce(tracks)

    def put(self, packets: list[Packet], now: float) -> None:
        """Measure access units."""
        if not self.full.is_set():
            self.survey.add(packets)
            if self.survey.span_s >= self.wanted_s:
                self.full.set()

    def select(self, program: int | None = None, pids: Collection[int] = ()) -> None:
        """A probe tells of everything there is."""

    def put_ts(self, data: bytes | bytearray | memoryview, now: float) -> None:
        """Keep bytes; they come in real time, so that the clock tells how much media they are."""
        if self.full.is_set():
            return
        if not self.ts:
            self.began = now
        self.ts += data
        if now - self.began >= self.wanted_s or len(self.ts) >= MAX_TS_BYTES:
            self.full.set()

    def drop(self, count: int) -> None:
        """What was lost shows as holes in the time."""

    def discontinuity(self, reason: str) -> None:
        """Shows in the timestamps."""
