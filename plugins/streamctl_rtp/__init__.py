"""RTP without RTSP: a port for encoders that just send, and inputs on ports of their own.

Capabilities: pull (receive), push (send), listen. Media of every codec that RTP carries here, and
MPEG-TS; with a session description or without one. Reports go back to the sender.
Specifications: RFC 3550 (RTP and RTCP), RFC 3551 (static payload types), RFC 8866 (SDP), RFC 5761
(RTP and RTCP on one port), RFC 4585 and RFC 5104 (requests for a picture).
"""
