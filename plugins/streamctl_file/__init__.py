"""Media files as inputs: ``file:PATH``, ``file://PATH`` or an absolute path.

MPEG-TS (packets of 188, 192 and 204 bytes) passes as it is, by its clock, with every PID of the
program. MP4/MOV, FLV, Matroska, WebM, Ogg, IVF and files of sound alone (MP3, AAC, FLAC, AC-3,
E-AC-3) are read in a child process: the picture in H.264, HEVC, AV1 or VP9, and every audio track
that streamctl knows, delivered in real time by their decoding timestamps. All are repeated without
a seam unless ``loop = false``. Paths are checked against the configured media roots by the engine.
"""
