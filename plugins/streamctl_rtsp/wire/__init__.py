"""RTSP as bytes and values, without sockets and clocks."""
