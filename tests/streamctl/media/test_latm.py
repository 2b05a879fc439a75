from __future__ import annotations

from contextlib import nullcontext, suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamctl.errors import ProtocolError, RemoteProtocolError
from streamctl.media.latm import LatmReader, StreamMuxConfig, loas_size

STEREO, MONO = b"\x11\x90", b"\x11\x88"
"""48 kHz."""
HE_AAC = bytes.fromhex("2b118800")
"""24 kHz with SBR to 48 kHz, signalled in front."""
DELAYED = bytes.fromhex("11928008")
"""With a core coder delay."""
BITS = {STEREO: 16, MONO: 16, HE_AAC: 25, DELAYED: 30}


def element(
    frames: list[bytes], config: bytes | None, extra: str, *, version: int, fixed: bool
) -> str:
    """The bits of an AudioMuxElement."""
    out = "1"
    if config is not None:
        size = BITS[config]
        asc = f"{int.from_bytes(config, 'big') >> (8 * len(config) - size):0{size}b}"
        out = "0" + ("10" + "00" + "11111111" if version else "0")
        out += "1" + f"{len(frames) - 1:06b}" + "0000" + "000"
        out += ("00" + f"{size:08b}" if version else "") + asc
        out += f"001{len(frames[0]) - 20:09b}" if fixed else "000" + "11111111"
        out += extra or "00"
    for frame in frames:
        if not fixed:
            out += "11111111" * (len(frame) // 255) + f"{len(frame) % 255:08b}"
        out += "".join(f"{byte:08b}" for byte in frame)
    return out


def loas(
    frames: list[bytes],
    config: bytes | None = None,
    extra: str = "",
    *,
    version: int = 0,
    fixed: bool = False,
) -> bytes:
    """A LOAS frame."""
    bits = element(frames, config, extra, version=version, fixed=fixed)
    body = (int(bits, 2) << -len(bits) % 8).to_bytes((len(bits) + 7) // 8, "big")
    return (0x2B7 << 13 | len(body)).to_bytes(3, "big") + body


@pytest.mark.parametrize("config", BITS)
@pytest.mark.parametrize("version", [0, 1])
@pytest.mark.parametrize("fixed", [True, False])
def test_raw_frames_and_their_configuration_are_read(
    config: bytes, version: int, fixed: bool
) -> None:
    reader = LatmReader()
    frames = [bytes(range(40)), b"\x5a" * 40]
    data = loas(frames, config, version=version, fixed=fixed)
    assert loas_size(data, 0) == len(data)
    assert reader.read(data) == frames
    assert reader.mux is not None
    assert reader.mux.config == config


EXTENSIONS = {
    "no signal": "",
    "no SBR": "01010110111" + "00101" + "0",
    "SBR": "01010110111" + "00101" + "1" + "0011",
    "SBR and PS": "01010110111" + "00101" + "1" + "0011" + "10101001000" + "1",
    "another type": "01010110111" + "00010",
}


@pytest.mark.parametrize("extension", EXTENSIONS.values(), ids=list(EXTENSIONS))
def test_a_signal_of_sbr_may_stand_behind_the_configuration(extension: str) -> None:
    head = "0" + "0" + "1" + "000000" + "0000" + "000" + f"{0x1190:016b}"
    bits = head + extension + "000" + "11111111" + "00" + "00000010" + "0101101001011010"
    reader = LatmReader()
    frame = (int(bits, 2) << -len(bits) % 8).to_bytes((len(bits) + 7) // 8, "big")
    assert reader.element(frame) == [b"\x5a\x5a"]
    assert reader.mux is not None
    assert reader.mux.config[:2] == b"\x11\x90"


def test_a_configuration_may_be_told_aside() -> None:
    mux = LatmReader()
    mux.read(loas([b"one"], STEREO))
    reader = LatmReader(mux.mux, in_band=False)
    assert reader.element(b"\x02hi") == [b"hi"]


def test_configurations_are_not_in_every_frame() -> None:
    reader = LatmReader()
    assert reader.read(loas([b"early"])) == []
    assert reader.read(loas([b"one"], STEREO)) == [b"one"]
    assert reader.read(loas([b"x" * 700])) == [b"x" * 700]
    assert reader.read(loas([b""])) == [b""]


@pytest.mark.parametrize(
    ("version", "extra"),
    [
        (0, "1" + "1" + "00000001" + "0" + "00000010" + "0"),
        (1, "1" + "00" + "00001000" + "0"),
        (0, "0" + "1" + "10101010"),
    ],
)
def test_other_data_and_checksums_are_passed_over(version: int, extra: str) -> None:
    assert LatmReader().read(loas([b"one"], STEREO, extra, version=version)) == [b"one"]


@pytest.mark.parametrize(
    "bits",
    [
        "0" + "11",
        "0" + "0" + "0" + "000000" + "0000" + "000",
        "0" + "0" + "1" + "000000" + "0001" + "000",
        "0" + "0" + "1" + "000000" + "0000" + "001",
        "0" + "0" + "1" + "000000" + "0000" + "000" + f"{0x1190:016b}" + "011",
        "0" + "0" + "1",
    ],
)
def test_other_layouts_are_refused(bits: str) -> None:
    body = (int(bits, 2) << -len(bits) % 8).to_bytes((len(bits) + 7) // 8, "big")
    with pytest.raises(RemoteProtocolError):
        LatmReader().read(b"\x56\xe0\0" + body)


@pytest.mark.parametrize("data", ["", "56e0", "56e000", "55e005", "57e005"])
def test_what_does_not_begin_a_frame_has_no_size(data: str) -> None:
    with pytest.raises(RemoteProtocolError):
        loas_size(bytes.fromhex(data), 0)


@given(st.binary(max_size=60))
def test_noise_raises_protocol_errors_alone(data: bytes) -> None:
    reader = LatmReader()
    for frame in (data, b"\x56\xe0\x20" + data, loas([b"x"], STEREO)):
        with suppress(ProtocolError):
            reader.read(frame)


def test_lengths_have_an_end() -> None:
    reader = LatmReader(StreamMuxConfig(STEREO, 1, 0), in_band=False)
    whole = b"\xff" * 200 + b"\x05" + bytes(200 * 255 + 5)
    assert [len(frame) for frame in reader.element(whole)] == [200 * 255 + 5]
    with pytest.raises(RemoteProtocolError, match="more than 65535 bytes"):
        reader.element(b"\xff" * 70_000)


@pytest.mark.parametrize(("steps", "fine"), [(4, True), (5, False)])
def test_the_length_of_other_data_has_an_end(steps: int, fine: bool) -> None:
    extra = "1" + "".join(f"{int(step < steps - 1)}00000001" for step in range(steps)) + "0"
    found = LatmReader()
    with nullcontext() if fine else pytest.raises(RemoteProtocolError, match="has no end"):
        assert found.read(loas([b"abc"], STEREO, extra)) == [b"abc"]
