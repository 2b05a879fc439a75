"""RTSP 1.0: publish and play on one port, pull from cameras and push to servers; RTSPS by TLS.

Capabilities: PULL, PUSH, LISTEN. Media travels in RTP: inside the connection, over UDP, to a
multicast group, or through HTTP.

Specifications: RFC 2326 (RTSP), RFC 3550 (RTP, RTCP), RFC 8866 (SDP), RFC 7616 (logins), and
Apple's tunnel of RTSP through HTTP.
"""
