"""Formats of the udp plugin: RTP around MPEG-TS, and the clock inside it; no I/O."""
