"""RTMP on the wire, without I/O: bytes in, events out (Adobe's RTMP 1.0 and AMF0)."""
