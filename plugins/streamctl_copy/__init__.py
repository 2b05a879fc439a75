"""Another stream of this server as an input: ``copy:CODE`` or ``copy://CODE``.

MPEG-TS passes as it is, with every PID; anything else as access units, shared and not copied. The
input waits until the other stream is on air, goes through its failovers, and is made anew when it
was restarted.
"""
