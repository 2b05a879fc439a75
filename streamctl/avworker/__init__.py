"""Child processes for everything that libav touches: file demux and probing.

``client`` and ``report`` are what the rest of streamctl imports; they never load ``av``. The
modules below ``__main__`` run in the child only. ``wire`` is the language between the two.
"""
