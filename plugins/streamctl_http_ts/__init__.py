"""The http-ts protocol plugin: MPEG-TS in one endless HTTP response.

Capabilities: HTTP output and pull. Players read the ``mpegts`` lane as it grows, those that speak
HTTP/1.1 in chunks. Streams of other servers are fetched in any framing, over TLS too.
Specification: ISO/IEC 13818-1 over RFC 9110 and RFC 9112.
"""
