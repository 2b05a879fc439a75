"""Reads two streams and writes the mix of them: one attempt, one run."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import anyio

from streamctl.errors import NotReady, StaleEpoch, StreamctlError
from streamctl.media.packet import Boundary, Format, InitChange, Media, Packet
from streamctl_mixer.blend import FIRST_SOUND, Blend

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from streamctl.media.packet import Init, Item, Track
    from streamctl.sdk.context import Context
    from streamctl.sdk.lane import Cursor, EpochWriter
    from streamctl_mixer.options import MixerInputOptions

SILENCE_S = 5.0
"""A part that brings nothing for so long has failed."""
SOUND_WAIT_S = 3.0
"""How long pictures wait for sound that may be missing."""
RETRY_S = 1.0


class MixerSource:
    """Implements :class:`streamctl.sdk.endpoints.Source`, ``Patient`` and ``Measured``."""

    duration_s = 0.0

    def __init__(self, video: str, audio: str, options: MixerInputOptions, ctx: Context) -> None:
        self.video = video
        self.audio = audio
        self.goes_on = options.audio_failure == "continue"
        self.ctx = ctx
        self.waiting = ""
        self.blend = Blend()
        self._picture: Track | None = None
        self._sound: dict[int, Track] = {}
        """Tracks by the numbers that they have in their stream."""
        self._failure: StreamctlError | None = None

    def measure(self) -> Mapping[str, object]:
        """How the two clocks stand to one another."""
        blend = self.blend
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
        self.waiting = f"stream `{self.video}` is not on air"
        await self._ready(self.video)
        cursor = self.ctx.streams.open(self.video, Format.PACKETS)
        try:
            picture_of(await joined(cursor), self.video)
            self.waiting = f"stream `{self.audio}` is not on air"
            await self._together(cursor, out)
        except NotReady:
            raise StreamctlError(f"stream `{self.video}` was stopped") from None
        finally:
            cursor.close()

    async def _together(self, cursor: Cursor, out: EpochWriter) -> None:
        """Begin with both, or with the pictures alone if that will do."""
        sound = await self._open_sound()
        try:
            self.waiting = ""
            # Whatever waiting has made old is left.
            self._picture = picture_of(cursor.join(), self.video)
            self._announce(out)
            self._show(cursor.take(), out)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._guard, tasks, self._follow_video, cursor, out)
                tasks.start_soon(self._guard, tasks, self._follow_audio, sound, out)
        finally:
            if sound is not None:
                sound.close()
        if self._failure is not None:
            raise self._failure

    async def _guard(
        self,
        tasks: anyio.abc.TaskGroup,
        follow: Callable[..., Awaitable[None]],
        cursor: Cursor | None,
        out: EpochWriter,
    ) -> None:
        """Follow one part; its end is that of both, and alone is told."""
        try:
            await follow(cursor, out)
        except StreamctlError as error:
            self._failure = self._failure or error
        tasks.cancel_scope.cancel()

    async def _follow_video(self, cursor: Cursor, out: EpochWriter) -> None:
        while True:
            try:
                await self._more(cursor, self.video)
            except NotReady:
                raise StreamctlError(f"stream `{self.video}` was stopped") from None
            self._show(cursor.take(), out)

    async def _follow_audio(self, cursor: Cursor | None, out: EpochWriter) -> None:
        while True:
            if cursor is not None:
                try:
                    while True:
                        self._sound_out(cursor.take(), out)
                        await self._more(cursor, self.audio)
                except StaleEpoch:
                    raise
                except StreamctlError as error:
                    cursor.close()
                    if not self.goes_on:
                        raise
                    self.ctx.log.warning("the sound of `%s` is missing: %s", self.audio, error)
            await self.ctx.clock.sleep(RETRY_S)
            cursor = await self._open_sound()
            if cursor is not None:
                self.blend.renew_sound()
                self._announce(out)

    async def _open_sound(self) -> Cursor | None:
        """A cursor that has joined; None = there is no sound, and none is needed.

        Raises:
            StreamctlError: there is none, and it is needed.
        """
        wait_s = SOUND_WAIT_S if self.goes_on else float("inf")
        cursor = None
        try:
            with anyio.fail_after(wait_s):
                await self._ready(self.audio)
                cursor = self.ctx.streams.open(self.audio, Format.PACKETS)
                init = await joined(cursor)
            self._sound = sound_of(init, self.audio)
        except (StreamctlError, TimeoutError) as error:
            if cursor is not None:
                cursor.close()
            if not self.goes_on:
                raise
            why = error if isinstance(error, StreamctlError) else "it is not on air"
            self.ctx.log.info("no sound of `%s` yet: %s", self.audio, why)
            return None
        except BaseException:
            if cursor is not None:
                cursor.close()
            raise
        return cursor

    async def _ready(self, code: str) -> None:
        try:
            await self.ctx.streams.ready(code)
        except NotReady:
            raise StreamctlError(f"stream `{code}` was stopped") from None

    async def _more(self, cursor: Cursor, code: str) -> None:
        """Wait for something to take.

        Raises:
            StreamctlError: nothing comes.
        """
        try:
            with anyio.fail_after(SILENCE_S):
                await cursor.wait()
        except TimeoutError:
            raise StreamctlError(f"stream `{code}` brings nothing") from None

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
                self._picture = successor(picture, item.init, self.video)
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
                self._sound = sound_of(item.init, self.audio)
                self._announce(out)
        self._write(self.blend.audio(packets, now, self._numbers()), out, now)

    def _numbers(self) -> dict[int, int]:
        """Our numbers of the tracks of sound by theirs."""
        return {theirs: ours for ours, theirs in enumerate(self._sound, FIRST_SOUND)}

    def _announce(self, out: EpochWriter) -> None:
        assert self._picture is not None
        numbers = self._numbers()
        sound = [replace(track, id=numbers[theirs]) for theirs, track in self._sound.items()]
        out.tracks([replace(self._picture, id=0), *sound])

    def _write(self, packets: list[Packet], out: EpochWriter, now: float) -> None:
        if packets:
            out.put(packets, now)


async def joined(cursor: Cursor) -> Init:
    """Move to a random-access point as soon as there is one.

    Raises:
        NotReady: the stream was stopped.
    """
    while True:
        try:
            return cursor.join()
        except NotReady:
            await cursor.wait()
            cursor.take()


def picture_of(init: Init, code: str) -> Track:
    """The track of pictures.

    Raises:
        StreamctlError: there is none.
    """
    track = init.first(Media.VIDEO)
    if track is None:
        raise StreamctlError(f"stream `{code}` has no pictures")
    return track


def sound_of(init: Init, code: str) -> dict[int, Track]:
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
