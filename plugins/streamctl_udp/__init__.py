"""The udp protocol plugin: MPEG-TS in datagrams, to one host or to a multicast group.

Capabilities: pull (receive) and push (send). Received datagrams may be plain or RTP; headers are
found and taken off. What is sent leaves at the pace of the stream's own clock, plain or in RTP, at
the rate of the media or at a constant one. Specifications: ISO/IEC 13818-1, RFC 2250, RFC 3550,
RFC 4607 (multicast from one source).
"""
