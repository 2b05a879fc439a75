"""The http-flv protocol plugin: FLV in one endless HTTP response.

Capabilities: HTTP output, pull, and the ``flv`` lane. Players read tags as they are made; what tags
hold is shared with RTMP and lives in ``streamctl.media``. Specification: Adobe FLV 10.1 annex E.
"""
