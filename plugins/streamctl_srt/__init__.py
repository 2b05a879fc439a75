"""SRT: publish and play on one port, pull and push as a caller, inputs that wait for one.

Capabilities: PULL, PUSH, LISTEN. Carries MPEG-TS as it is, with every PID.

Needs libsrt 1.4.4 or newer (`apt install libsrt1.5-openssl`), found when it is first used.
Specifications: draft-sharabayko-srt-01; SRT Access Control guidelines for stream ids and codes.
"""
