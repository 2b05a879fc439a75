"""Opens sources with libav and reads raw packets: the one place that calls ``av.open``.

Files are opened with the ``file`` protocol and a list of containers, so that no playlist or
script in a media folder makes libav follow it elsewhere; network sources may not open files.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
from av.error import FFmpegError

from streamctl.avworker.trust import tls_options
from streamctl.errors import ConnectionFailed, MediaError, StreamctlError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from av.codec.context import CodecContext
    from av.container import InputContainer
    from av.packet import Packet
    from av.stream import Stream

FILE_FORMATS = "mov,mpegts,flv,live_flv,matroska,ogg,ivf,mp3,aac,flac,ac3,eac3"
PROBED_FORMATS = FILE_FORMATS + ",hls,dash,avi,asf,wav,h264,hevc,obu,mpeg,mpegvideo"
"""A probe also says what is in files that can't go on air."""
NETWORK_PROTOCOLS = "http,https,tls,tcp,rtmp,rtmps,rtmpt,httpproxy,crypto,data"
LEGACY = int(av.__version__.partition(".")[0]) < 19
METADATA: dict[str, Any] = {"metadata_errors": "replace"} if LEGACY else {}
"""Broadcast metadata is rarely UTF-8; later releases never fail on it and lost the option."""


REFUSALS = (OSError, EOFError, av.error.HTTPError, av.error.HTTPClientError)
"""The peer was not there, hung up, or answered with a status; all else is bad media."""


def open_file(path: str, *, probing: bool = False) -> InputContainer:
    """Open a local file; a probe may open more kinds of them, and playlists.

    Raises:
        MediaError: not readable, or not a container that is allowed.
    """
    options = {
        "protocol_whitelist": "file,crypto,data" if probing else "file",
        "format_whitelist": PROBED_FORMATS if probing else FILE_FORMATS,
    }
    try:
        if probing and is_special(Path(path)):
            raise MediaError(f"can't read `{path}`: not a regular file")
        container: InputContainer = av.open(f"file:{path}", options=options, **METADATA)
    except av.error.ArgumentError:
        raise MediaError(
            f"can't read `{path}`: not a container that streamctl reads",
            hint="MP4, MOV, MPEG-TS, FLV, Matroska, WebM, Ogg, IVF, MP3, AAC, FLAC and AC-3 are",
        ) from None
    except (FFmpegError, OSError) as error:
        raise MediaError(f"can't read `{path}`: {reason(error)}") from None
    return container


def is_special(file: Path) -> bool:
    """Whether it is a pipe, socket or device: reading one may wait, or go on, for ever."""
    return file.exists() and not file.is_file() and not file.is_dir()


def open_url(url: str, shown: str, timeout_s: float) -> InputContainer:
    """Open a network source; over TLS only with a certificate that is trusted.

    Raises:
        ConnectionFailed: not reachable in time, or refused.
        MediaError: reached, but not media.
    """
    options = {"protocol_whitelist": NETWORK_PROTOCOLS, **tls_options()}
    try:
        container: InputContainer = av.open(
            url, options=options, timeout=(timeout_s, timeout_s), **METADATA
        )
    except (FFmpegError, OSError) as error:
        raise unreadable(error, shown) from None
    return container


def raw_packets(container: InputContainer, streams: Sequence[Stream]) -> Iterator[Packet[Stream]]:
    """Packets with content in file order; damage ends the file, it raises nothing.

    ``IndexError`` is what a stream that first appears in mid-file makes of the reader.
    """
    try:
        for packet in container.demux(*streams):
            if packet.size:
                yield packet
    except (FFmpegError, IndexError):
        return


def unreadable(error: Exception, shown: str) -> StreamctlError:
    """The error of streamctl for what libav raised on a network source."""
    if isinstance(error, av.error.ExitError):
        # What our time-out makes of a blocked call.
        return ConnectionFailed(f"no answer in time: `{shown}`")
    if isinstance(error, REFUSALS):
        return ConnectionFailed(f"can't reach `{shown}`: {reason(error)}")
    return MediaError(f"can't read `{shown}`: {reason(error)}")


def reason(error: Exception) -> str:
    """What went wrong, in libav's words, without its file names."""
    if isinstance(error, av.error.ArgumentError):
        return "not a container that streamctl reads"
    words = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return words[:1].lower() + words[1:].rstrip(".")


def context_of(stream: Stream) -> CodecContext | None:
    """The codec context; None, whatever its type says, for streams without a decoder."""
    return stream.codec_context


def codec_name(stream: Stream) -> str:
    """The codec's canonical name, such as ``h264`` or ``mp3``, or what little is known."""
    context = context_of(stream)
    return stream.type if context is None else context.codec.canonical_name


def quiet() -> None:
    """Keep libav's log out of standard error; what matters arrives as exceptions."""
    av.logging.set_level(None)
