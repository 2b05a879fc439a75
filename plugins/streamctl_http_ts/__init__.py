"""The http-ts protocol plugin: MPEG-TS in one endless HTTP response.

Capabilities: HTTP output. Players read the ``mpegts`` lane as it grows; HTTP/1.0 clients are served
alike, because the response has no framing. Specification: ISO/IEC 13818-1 over RFC 9110.
"""
