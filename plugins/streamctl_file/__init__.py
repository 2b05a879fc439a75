"""Media files as inputs: ``file:PATH``, ``file://PATH`` or an absolute path.

MP4/MOV, MPEG-TS (188 and 192 bytes), FLV, Matroska, WebM, Ogg, IVF and files of sound alone (MP3,
AAC, FLAC, AC-3, E-AC-3) are read in a child process: the picture in H.264, HEVC, AV1 or VP9, and
every audio track that streamctl knows. They are delivered in real time by their decoding
timestamps, repeated without a seam unless ``loop = false``. Paths are checked against the
configured media roots by the engine.
"""
