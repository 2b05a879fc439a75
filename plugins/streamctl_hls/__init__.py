"""The hls protocol plugin: HLS with MPEG-TS segments, and the player page of a stream.

Capabilities: HTTP output. Segments are runs of chunks of the ``mpegts`` lane and are served from
memory. Specification: RFC 8216.
"""
