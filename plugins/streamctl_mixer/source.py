"""Reads two streams and writes the mix of them: one attempt, one run."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import anyio

from streamctl.errors import StaleEpoch, StreamctlError
from streamctl.media.packet import Boundary, InitChange, Media, Packet
from streamctl_mixer.blend import FIRST_SOUND, Blend
from streamctl_mixer.part import Part, within

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from streamctl.media.packet import Init, Item, Track
    from streamctl.sdk.context import Context
    from streamctl.sdk.lane import EpochWriter
    from streamctl_mixer.options import MixerInputOptions

SOUND_WAIT_S = 3.0
"""How long pictures wait for sound that may be missing."""
RETRY_S = 1.0


class MixerSource:
    """Implements :class:`streamctl.sdk.endpoints.Source`, ``Patient`` and ``Measured``."""

    duration_s = 0.0

    def __init__(self, video: str, audio: str, options: MixerInputOptions, ctx: Context) -> None:
        self.pictures = Part(video, ctx)
        self.sound = Part(audio, ctx)
        self.goes_on = options.audio_failure == "continue"
        self.ctx = ctx
        self.waiting = ""
        self.blend = Blend()
        self._picture: Track | None = None
        self._sounds: dict[int, Track] = {}
        """Tracks by the numbers that they have in their stream."""
        self._failure: StreamctlError | None = None
        self._missed = ""
        """Why the pictures go on alone; empty = they don't."""

    def measure(self) -> Mapping[str, object]:
        """How the two clocks stand to one another, or why there is no sound."""
        blend = self.blend
        if self._missed:
            return {"sound_missing": self._missed}
        if not (blend.pictures.known and blend.sound.known):
            return {}
        error = blend.pictures.value - blend.sound.value - blend.shift
        return {
            "shift_ms": round(blend.shift / 90, 1),
            "skew_ms": round(error / 90, 1),
            "jumps": blend.jumps,
            "dropped": blend.dropped,
        }

    async def run(self, out: EpochWriter) -> None:
        """Deliver for as long as both streams run.

        Raises:
            NotFound: there is no such stream.
            StreamctlError: one was stopped or brings nothing, or can't be mixed.
        """
        try:
            self.waiting = self.pictures.off_air
            picture_of(await self.pictures.open(), self.pictures.code)
            self.waiting = self.sound.off_air
            heard = await self._open_sound()
            self.waiting = ""
            await self._together(out, heard=heard)
        finally:
            self.pictures.close()
            self.sound.close()
        if self._failure is not None:
            raise self._failure

    async def _together(self, out: EpochWriter, *, heard: bool) -> None:
        """Show both, or the pictures alone if that will do."""
        # Whatever waiting has made old is left.
        self._picture = picture_of(self.pictures.join(), self.pictures.code)
        self._announce(out)
        self._show(self.pictures.take(), out)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._guard, tasks, partial(self._follow_video, out))
            tasks.start_soon(self._guard, tasks, partial(self._follow_audio, out, heard=heard))

    async def _guard(
        self, tasks: anyio.abc.TaskGroup, follow: Callable[[], Awaitable[None]]
    ) -> None:
        """Follow one part; its end is that of both, and alone is told."""
        try:
            await follow()
        except StreamctlError as error:
            self._failure = self._failure or error
        tasks.cancel_scope.cancel()

    async def _follow_video(self, out: EpochWriter) -> None:
        while True:
            await self.pictures.more()
            self._show(self.pictures.take(), out)

    async def _follow_audio(self, out: EpochWriter, *, heard: bool) -> None:
        while True:
            if heard:
                await self._hear(out)
            await self.ctx.clock.sleep(RETRY_S)
            heard = await self._open_sound()
            if heard:
                self._missed = ""
                self.blend.renew_sound()
                self._announce(out)

    async def _hear(self, out: EpochWriter) -> None:
        """Write sound for as long as there is some, if the pictures may go on without."""
        try:
            while True:
                self._sound_out(self.sound.take(), out)
                await self.sound.more()
        except StaleEpoch:
            raise
        except StreamctlError as error:
            if not self.goes_on:
                raise
            self._miss(error.message)

    def _miss(self, why: str) -> None:
        """Go on without sound, and say so once for each reason."""
        if why != self._missed:
            self.ctx.log.warning("the sound of `%s` is missing: %s", self.sound.code, why)
        self._missed = why

    async def _open_sound(self) -> bool:
        """Wait for the sound; False = there is none, and none is needed.

        Raises:
            StreamctlError: there is none, and it is needed.
        """
        sound = self.sound
        try:
            with within(self.ctx.clock, SOUND_WAIT_S) if self.goes_on else nullcontext():
                self._sounds = sounds_of(await sound.open(), sound.code)
        except (StreamctlError, TimeoutError) as error:
            sound.close()
            if not self.goes_on:
                raise
            self._miss(error.message if isinstance(error, StreamctlError) else sound.off_air)
            return False
        return True

    def _show(self, items: Sequence[Item], out: EpochWriter) -> None:
        """Write the pictures among these items."""
        now = self.ctx.clock.now()
        packets: list[Packet] = []
        for item in items:
            picture = self._picture
            if isinstance(item, Packet):
                if picture is not None and item.track == picture.id:
                    packets.append(item)
            elif isinstance(item, Boundary | InitChange):
                self._write(self.blend.video(packets, now), out, now)
                packets = []
                self._picture = successor(picture, item.init, self.pictures.code)
                self._announce(out)
        self._write(self.blend.video(packets, now), out, now)

    def _sound_out(self, items: Sequence[Item], out: EpochWriter) -> None:
        """Write the sound among these items."""
        now = self.ctx.clock.now()
        packets: list[Packet] = []
        for item in items:
            if isinstance(item, Packet):
                packets.append(item)
            elif isinstance(item, Boundary | InitChange):
                self._write(self.blend.audio(packets, now, self._numbers()), out, now)
                packets = []
                self._sounds = sounds_of(item.init, self.sound.code)
                self._announce(out)
        self._write(self.blend.audio(packets, now, self._numbers()), out, now)

    def _numbers(self) -> dict[int, int]:
        """Our numbers of the tracks of sound by theirs."""
        return {theirs: ours for ours, theirs in enumerate(self._sounds, FIRST_SOUND)}

    def _announce(self, out: EpochWriter) -> None:
        assert self._picture is not None
        numbers = self._numbers()
        sound = [replace(track, id=numbers[theirs]) for theirs, track in self._sounds.items()]
        out.tracks([replace(self._picture, id=0), *sound])

    def _write(self, packets: list[Packet], out: EpochWriter, now: float) -> None:
        if packets:
            out.put(packets, now)


def picture_of(init: Init, code: str) -> Track:
    """The track of pictures.

    Raises:
        StreamctlError: there is none.
    """
    track = init.first(Media.VIDEO)
    if track is None:
        raise StreamctlError(f"stream `{code}` has no pictures")
    return track


def sounds_of(init: Init, code: str) -> dict[int, Track]:
    """The tracks of sound, by number.

    Raises:
        StreamctlError: there are none.
    """
    found = {track.id: track for track in init.tracks if track.media is Media.AUDIO}
    if not found:
        raise StreamctlError(f"stream `{code}` has no sound")
    return found


def successor(before: Track | None, init: Init, code: str) -> Track:
    """The track that goes on for one of pictures.

    Raises:
        StreamctlError: none does.
    """
    track = init.first(Media.VIDEO)
    if track is None or (before is not None and track.codec is not before.codec):
        raise StreamctlError(f"stream `{code}` shows other tracks now")
    return track
