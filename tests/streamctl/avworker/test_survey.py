from __future__ import annotations

from dataclasses import replace

from streamctl.avworker.survey import Survey
from streamctl.media.packet import Codec, Kind, Packet, Track

AVCC = bytes.fromhex("0142c01effe1000967 42c01eda02802dc801000468ce3c80".replace(" ", ""))
AAC = bytes.fromhex("1190")
VIDEO = Track(0, Codec.H264, AVCC)
SOUND = Track(1, Codec.AAC, AAC, sample_rate=48_000, channels=2)
FRAME = 3600


def picture(number: int) -> Packet:
    at = number * FRAME
    return Packet(0, at, at, Kind.P if number % 25 else Kind.KEY, 0, b"x" * 1000, FRAME)


def sound(number: int, late: int = 0) -> Packet:
    at = number * 1920 + late
    return Packet(1, at, at, Kind.AUDIO, 0, b"y" * 100, 1920)


def filled(seconds: int) -> Survey:
    survey = Survey()
    survey.announce([VIDEO, SOUND])
    for second in range(seconds):
        survey.add([picture(n) for n in range(25 * second, 25 * second + 25)])
        survey.add([sound(n, late=9000) for n in range(47 * second, 47 * second + 47)])
    return survey


def test_what_comes_is_measured() -> None:
    report = filled(4).report("rtsp://h/x", "rtsp", ["a note"])
    video, audio = report.tracks
    assert (report.target, report.format, report.notes) == ("rtsp://h/x", "rtsp", ["a note"])
    assert video.video is not None
    assert (video.codec, video.video.fps_measured, video.video.gop.avg_s) == ("h264", 25.0, 1.0)
    assert (video.packets, video.duration_s, video.bitrate_kbps) == (100, 4.0, 200.0)
    assert video.codec_string.startswith("avc1.42c01e")
    assert video.level == "3.0"
    assert audio.audio is not None
    assert (audio.codec, audio.audio.sample_rate, audio.audio.channels) == ("aac", 48_000, 2)
    assert report.av_start_offset_ms == 100.0
    assert report.analysed_s >= 4.0
    assert report.worst() in {None, "info"}


def test_a_configuration_may_come_later_and_change() -> None:
    survey = Survey()
    survey.announce([replace(VIDEO, config=None)])
    survey.add([picture(0)])
    assert not survey.report("x", "rtp").tracks[0].parameter_sets.present
    survey.announce([VIDEO])
    assert survey.report("x", "rtp").tracks[0].parameter_sets.changes == 0
    survey.announce([replace(VIDEO, config=AVCC + b"\0")])
    sets = survey.report("x", "rtp").tracks[0].parameter_sets
    assert (sets.present, sets.changes) == (True, 1)


def test_only_the_first_track_of_a_medium_tells_the_skew() -> None:
    survey = Survey()
    survey.announce([VIDEO, SOUND, replace(SOUND, id=2)])
    survey.add([picture(0), sound(0), replace_track(sound(500), 2)])
    assert survey.report("x", "rtp").interleave_skew_ms == 0.0


def test_packets_of_no_track_are_left_out() -> None:
    survey = Survey()
    survey.add([picture(0)])
    assert (survey.packets, survey.span_s) == (0, 0.0)
    assert survey.report("x", "rtp").worst() == "error"


def replace_track(packet: Packet, number: int) -> Packet:
    packet.track = number
    return packet
