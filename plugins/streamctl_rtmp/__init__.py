"""RTMP: publish and play on one port, pull from and push to other servers; RTMPS by TLS.

Capabilities: PULL, PUSH, LISTEN, CONVERT (packets → rtmp). Codecs: H.264 and AAC.

Specifications: Adobe's Real Time Messaging Protocol 1.0, Action Message Format 0 and FLV 10.1
annex E; Enhanced RTMP v2 for FourCCs in what is received.
"""
