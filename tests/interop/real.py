"""Rows of real footage, for those who have some: ``STREAMCTL_TEST_MEDIA`` names its folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.interop.matrix import Medium

if TYPE_CHECKING:
    from pathlib import Path

FILES = (
    ("film, 24 fps, AAC 5.1, long groups", "bbb_480p24_h264b_aac51_30s.mp4", ("h264", "aac"), 24.0),
    ("camera, 29.97 fps", "butterfly_720p2997_h264b_aac.mp4", ("h264", "aac"), 29.97),
    ("camera, 12.5 fps", "car_432p12.5_h264base_aac_30s.mp4", ("h264", "aac"), 12.5),
    ("camera, 10 fps, no sound", "people_432p10_h264b_video_only_139s.mp4", ("h264",), 10.0),
    ("screen, 30 fps, 44.1 kHz", "crystal_480p30_h264nob_aac.mp4", ("h264", "aac"), 30.0),
    ("phone, HEVC", "phone_hevc_720x1280_aac_10s.ts", ("hevc", "aac"), 30.0),
    ("phone, AV1", "phone_av1_aac_4s.mp4", ("av1", "aac"), 30.0),
)


def real_rows(folder: Path) -> list[Medium]:
    """The files of the folder that this knows."""
    return [
        Medium(name, codecs, fps, path=folder / file, channels=6 if "5.1" in name else 2)
        for name, file, codecs, fps in FILES
        if (folder / file).exists()
    ]
