"""The pictures of one stream with the sound of another: ``mixer:VIDEO,AUDIO``.

Each stream runs by a clock of its own. Pictures keep their times; the times of the sound are led
after them by what arrives together, so that the two stay together for as long as they run. This
keeps an offset that the two have by themselves: it is no lip-sync.
"""
