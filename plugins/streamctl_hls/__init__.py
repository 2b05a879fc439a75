"""The hls protocol plugin: HLS with MPEG-TS segments, and the player page of a stream; HLS pulled.

Capabilities: HTTP output, pull. Segments are runs of chunks of the ``mpegts`` lane and are served
from memory. Specification: RFC 8216; what is pulled may use RFC 8216bis.

Latency: the first playlist answers with the first segment, so ``segment_s`` or one GOP after the
stream went on air. Most players then keep three target durations behind the end of the playlist,
which is full enough for that after three segments; the player page starts with two.

Pulling: ``pull`` chooses, ``feed`` follows and fetches by ``loader``, ``passage`` plays MPEG-TS as
it is, ``mixer`` everything else; what playlists mean is ``wire``.
"""
