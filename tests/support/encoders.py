"""The encoders behind generated media: quick ones, with closed groups of pictures."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Iterator

    from av.audio.stream import AudioStream
    from av.container import OutputContainer
    from av.video.stream import VideoStream

    from tests.support.media import Recipe

VIDEO = {"h264": "libx264", "hevc": "libx265", "av1": "libsvtav1", "vp9": "libvpx-vp9"}
AUDIO = {
    "aac": "aac",
    "mp3": "libmp3lame",
    "opus": "libopus",
    "ac3": "ac3",
    "eac3": "eac3",
    "flac": "flac",
}
LOSSLESS = ("flac",)
"""Encoders that take no rate."""

os.environ.setdefault("SVT_LOG", "1")
"""The AV1 encoder prints a page of settings to stderr unless told to print errors only."""


@contextmanager
def same_priority() -> Iterator[None]:
    """Undoes what the AV1 encoder does to a caller that is root.

    It makes the thread a real-time one, and with it every program that a test starts afterwards,
    so that nothing else on the machine gets its turn.
    """
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        os.sched_setscheduler(0, policy, parameters)


def add_video(out: OutputContainer, recipe: Recipe) -> VideoStream:
    """The video stream of a recipe."""
    options = {"g": str(recipe.gop), "threads": "1", **settings(recipe)}
    if recipe.video_kbps:
        rate = f"{recipe.video_kbps}k"
        options |= {"maxrate": rate, "bufsize": rate, "b": rate}
    name = VIDEO[recipe.video_codec]
    stream = cast("VideoStream", out.add_stream(name, rate=recipe.fps, options=options))
    stream.width, stream.height, stream.pix_fmt = recipe.width, recipe.height, "yuv420p"
    if recipe.video_kbps:
        stream.bit_rate = recipe.video_kbps * 1000
    stream.codec_context.time_base = 1 / recipe.fps
    return stream


def settings(recipe: Recipe) -> dict[str, str]:
    """What one video encoder wants to be told."""
    quality = {} if recipe.video_kbps else {"crf": "23" if recipe.video_codec == "h264" else "35"}
    gop, bframes = str(recipe.gop), str(recipe.bframes)
    match recipe.video_codec:
        case "h264":
            return quality | {
                "preset": "veryfast" if recipe.bframes else "ultrafast",
                "keyint_min": gop,
                "sc_threshold": "0",
                "bf": bframes,
                "x264-params": "b-adapt=0:weightp=0",
            }
        case "hevc":
            parameters = (
                f"keyint={gop}:min-keyint={gop}:scenecut=0:open-gop=0:bframes={bframes}"
                ":b-adapt=0:pools=none:frame-threads=1:log-level=none"
            )
            return quality | {"preset": "ultrafast", "x265-params": parameters}
        case "av1":
            return quality | {"preset": "12", "svtav1-params": "pred-struct=1:lp=1"}
        case _:
            return quality | {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"}


def add_audio(out: OutputContainer, recipe: Recipe) -> AudioStream:
    """The audio stream of a recipe."""
    layout = "mono" if recipe.channels == 1 else "stereo"
    name = AUDIO[recipe.audio_codec]
    stream = cast("AudioStream", out.add_stream(name, rate=recipe.sample_rate, layout=layout))
    if recipe.audio_codec not in LOSSLESS:
        stream.bit_rate = recipe.audio_kbps * 1000
    return stream
