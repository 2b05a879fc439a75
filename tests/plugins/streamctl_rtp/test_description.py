"""Descriptions in files: their tracks, ports, groups, and what is wrong with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from streamctl.errors import ConfigError
from streamctl.media import sdp
from streamctl.testing.gate import BareContext
from streamctl_rtp.description import host, read, tracks

if TYPE_CHECKING:
    from pathlib import Path

TEXT = """v=0
c=IN IP4 239.1.2.3/16
m=video 5004 RTP/AVP 98 96
a=rtpmap:98 JXSV/90000
a=rtpmap:96 H264/90000
a=rtcp-fb:96 ccm fir
m=audio 0 RTP/AVP 8
m=application 5008 TCP/MSRP *
m=video 5010 RTP/AVP 97
a=rtpmap:97 VVC/90000
"""


class Files(BareContext):
    """Resolves every file below one folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def resolve_file(self, url: str) -> Path:
        return self.folder / url.removeprefix("file:")


def test_the_tracks_that_can_be_read_are_taken() -> None:
    video, audio = tracks(sdp.parse(TEXT), 6000)
    assert (video.format.encoding, video.format.payload_type) == ("H264", 96)
    assert (video.port, video.full_intra) == (5004, True)
    assert (audio.format.encoding, audio.port, audio.full_intra) == ("PCMA", 6000, False)


def test_a_sender_that_knows_both_requests_is_asked_by_pli() -> None:
    (video, *_) = tracks(sdp.parse(TEXT + "a=x\n"), 0)
    assert video.full_intra
    text = TEXT.replace("ccm fir", "ccm fir\na=rtcp-fb:96 nack pli")
    assert not tracks(sdp.parse(text), 0)[0].full_intra


def test_a_description_without_tracks_is_refused() -> None:
    with pytest.raises(ConfigError, match="no RTP media"):
        tracks(sdp.parse("v=0\nm=audio 1 UDP/X 0\n"), 0)


def test_a_group_is_where_to_receive_and_a_host_is_not() -> None:
    assert host(sdp.parse(TEXT)) == "239.1.2.3"
    assert host(sdp.parse("v=0\nc=IN IP4 10.0.0.1\n")) == ""
    assert host(sdp.parse("v=0\nm=video 1 RTP/AVP 96\nc=IN IP6 ff15::1\n")) == "ff15::1"


@pytest.mark.anyio
async def test_files_are_read(tmp_path: Path) -> None:
    (tmp_path / "x.sdp").write_text(TEXT)
    session = await read(Files(tmp_path), "file:x.sdp")
    assert len(session.media) == 4


@pytest.mark.anyio
@pytest.mark.parametrize("content", [b"", b"<html>", b"v=0\n" + b"x" * sdp.MAX_BYTES])
async def test_what_is_no_description_is_said(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.sdp").write_bytes(content)
    with pytest.raises(ConfigError, match=r"x\.sdp"):
        await read(Files(tmp_path), "file:x.sdp")


@pytest.mark.anyio
async def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="can't read"):
        await read(Files(tmp_path), "file:y.sdp")
