"""The core: streams, lanes, epochs, time, admission and fan-out.

Knows the SDK and the media formats, never a protocol by name. Everything here belongs to the
loop thread; the only locks are the ones that are not needed.
"""
