"""AAC in RTP as LATM (``MP4A-LATM``), as Android, GStreamer and some cameras send it.

The configuration stands in SDP, or in band if ``cpresent`` says so; senders that tell one and
forget ``cpresent`` mean SDP. An element may be spread over packets of one timestamp.
Specification: RFC 6416 §4, §7.3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from streamctl.errors import ProtocolError
from streamctl.media.aac import AacReader
from streamctl.media.latm import LatmReader
from streamctl.media.rtp.depacketise import MAX_FRAME_BYTES, FrameDepacketiser
from streamctl.media.rtp.parameters import mux_config

if TYPE_CHECKING:
    from streamctl.media.packet import Track
    from streamctl.media.rtp.depacketise import Unit
    from streamctl.media.rtp.formats import RtpFormat


class LatmDepacketiser(FrameDepacketiser):
    """Takes the packets of one track."""

    most: ClassVar[int] = MAX_FRAME_BYTES

    def __init__(self, rtp: RtpFormat, track: Track) -> None:
        super().__init__(rtp, track, AacReader())
        told = mux_config(rtp.fmtp)
        in_band = rtp.fmtp.get("cpresent", "0" if told else "1") != "0"
        self._latm = LatmReader(told, in_band=in_band)
        self._mux = told

    def take(self, payload: memoryview) -> None:
        if self.room(len(payload)):
            self._data += payload

    def finish(self, out: list[Unit]) -> None:
        if not self._torn and self._data:
            try:
                self._elements(out)
            except ProtocolError as error:
                self.damage(str(error))
        self.begin()

    def _elements(self, out: list[Unit]) -> None:
        """Give the frames of the element.

        Raises:
            RemoteProtocolError: it can't be read, or its configuration can't.
        """
        frames = self._latm.element(bytes(self._data))
        mux = self._latm.mux
        if mux is not None and mux is not self._mux:
            self._mux = mux
            self.retrack(mux.config)
        timestamp: int | None = self._timestamp
        for data in frames:
            self.give(data, timestamp, out)
            timestamp = None
