"""Programs of others that publish or play, and which version of each is installed."""

from __future__ import annotations

import functools
import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

CLASSIC = frozenset({"h264", "aac", "mp3"})
"""What clients of the original FLV format know."""
ENHANCED = CLASSIC | {"hevc", "av1", "vp9", "opus", "ac3", "eac3", "flac"}
"""What enhanced RTMP added to it."""
TS = frozenset({"h264", "hevc", "aac", "mp3", "ac3", "eac3", "opus"})
"""What MPEG-TS can carry."""
NOBODY = "65534"


def current_ffmpeg() -> str:
    """The ffmpeg inside imageio-ffmpeg, or nothing."""
    if importlib.util.find_spec("imageio_ffmpeg") is None:
        return ""
    import imageio_ffmpeg

    path: str = imageio_ffmpeg.get_ffmpeg_exe()
    return path


def streamlink() -> str:
    """The streamlink beside this Python, or that of the system, or nothing."""
    beside = Path(sys.executable).with_name("streamlink")
    return str(beside) if beside.exists() else shutil.which("streamlink") or ""


def as_nobody(*argv: str, home: Path | None = None) -> list[str]:
    """A command that refuses to run as root, as nobody with a home of its own."""
    if os.geteuid() != 0:
        return list(argv)
    switch = ["setpriv", "--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"]
    if home is not None:
        home.chmod(0o777)
        switch += ["env", f"HOME={home}", f"XDG_RUNTIME_DIR={home}"]
    return [*switch, *argv]


@functools.cache
def first_match(pattern: str, *argv: str) -> str:
    """What a program says of its version; nothing when it is not installed."""
    if not argv[0] or shutil.which(argv[0]) is None:
        return ""
    done = subprocess.run(
        argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False
    )
    found = re.search(pattern, done.stdout)
    return found.group(1) if found else "?"


def ffmpeg_version(program: str) -> str:
    """The release of an ffmpeg."""
    return first_match(r"ffmpeg version n?([\d.]+)", program, "-version")


def gstreamer_version(element: str) -> str:
    """The release of GStreamer, if it has an element."""
    return first_match(r"Version +([\d.]+)", "gst-inspect-1.0", element).replace("?", "")


def vlc_version() -> str:
    """The release of VLC, which does not run as root."""
    if shutil.which("vlc") is None:
        return ""
    return first_match(r"VLC (?:\w+ )?([\d.]+)", *as_nobody("vlc", "--version"))


def own_version() -> str:
    """The release of the product under test."""
    return importlib.metadata.version("streamctl")
