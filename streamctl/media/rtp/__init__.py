"""RTP: packets, control packets, sessions, and the payload formats of the codecs."""
