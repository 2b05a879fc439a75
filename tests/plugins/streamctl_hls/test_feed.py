"""Slow segments and servers that come to a halt, as a stream sees them, by a clock of our own."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import anyio
import pytest
from anyio.lowlevel import checkpoint

from streamctl.engine import causes as cause
from streamctl.engine.services import converter_specs
from streamctl.media.mpegts.convert import TsConverter
from streamctl.media.packet import TIMESCALE
from streamctl.net.http_answer import Head
from streamctl.net.http_session import Answer
from streamctl_hls import pull as pull_module
from streamctl_hls.plugin import HlsPlugin
from streamctl_hls.pull_options import HlsInputOptions
from tests.streamctl.engine.rig import Rig
from tests.streamctl.media.mpegts.world import VIDEO, boundary, joined, pictures

if TYPE_CHECKING:
    from streamctl.engine.stream import Stream
    from streamctl.net.http_session import Wish

pytestmark = pytest.mark.anyio

TARGET_S = 10
STEP_S = 0.1
TURNS = 10
"""Of the event loop, until everybody waits for the clock."""


class Origin:
    """Answers in the place of a session: a live playlist of which the test says how far it is."""

    def __init__(self, listed: int) -> None:
        self.listed = listed
        self.count = listed
        self.made: dict[int, bytes] = {}

    async def get(self, wish: Wish) -> Answer:
        found = re.search(r"(\d+)\.ts", wish.target.path)
        body = self.segment(int(found.group(1))) if found else self.playlist()
        return Answer(wish.target, Head(200, "OK", {}, "1.1"), body)

    def segment(self, number: int) -> bytes:
        if number not in self.made:
            start = TIMESCALE * (1 + number * TARGET_S)
            units = pictures(25 * TARGET_S, start=start)
            self.made[number] = joined(TsConverter().convert([boundary(VIDEO), *units]))
        return self.made[number]

    def playlist(self) -> bytes:
        first = max(0, self.count - self.listed)
        lines = ["#EXTM3U", f"#EXT-X-TARGETDURATION:{TARGET_S}", f"#EXT-X-MEDIA-SEQUENCE:{first}"]
        for number in range(first, self.count):
            lines += [f"#EXTINF:{TARGET_S},", f"{number}.ts"]
        return "\n".join(lines).encode()

    def close(self) -> None:
        """Nothing is kept."""


async def pass_time(rig: Rig, stream: Stream, seconds: float) -> set[str]:
    """Let the clock run, ticking once a second; what the causes were."""
    seen: set[str] = set()
    for step in range(round(seconds / STEP_S)):
        for _ in range(TURNS):
            await checkpoint()
        rig.clock.advance(STEP_S)
        if step % 10 == 0:
            stream.tick(rig.clock.now())
            seen |= set(stream.causes.active)
    return seen


async def test_slow_segments_do_not_flap_and_a_halt_is_no_silence_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    origin = Origin(listed=1)
    monkeypatch.setattr(pull_module, "HttpSession", lambda *_: origin)
    plugin = HlsPlugin()
    rig = Rig(plugin)
    rig.services.specs = converter_specs([plugin])
    stream = rig.stream(url="http://origin/x.m3u8")
    assert stream.pull is not None
    stream.pull.config = stream.pull.config.model_copy(update={"options": HlsInputOptions()})
    assert stream.config.packet_timeout_s == 5
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(stream.run)
        for _ in range(4):
            # Each segment comes eight seconds after the one before has been played.
            await pass_time(rig, stream, TARGET_S + 8)
            origin.count += 1
        assert (stream.pull.attempts, stream.pull.last_error) == (1, "")
        assert stream.on_air()
        seen = await pass_time(rig, stream, 70)
        assert cause.NO_PACKETS in seen
        assert cause.INPUT_FAILED in seen
        assert "nothing new for 30 s" in stream.pull.last_error
        assert stream.pull.attempts >= 2
        origin.count += 3
        await pass_time(rig, stream, 8)
        assert stream.on_air()
        assert not stream.causes.active
        tasks.cancel_scope.cancel()
