"""Media files as inputs: ``file:PATH``, ``file://PATH`` or an absolute path.

MP4/MOV, FLV, MPEG-TS (188 and 192 bytes) and Matroska with H.264 and AAC are read in a child
process and delivered in real time by their decoding timestamps, repeated without a seam unless
``loop = false``. Paths are checked against the configured media roots by the engine.
"""
