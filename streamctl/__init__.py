"""streamctl: a live-streaming media server and toolkit.

The package is imported lazily: nothing here may import another module, so that
``streamctl --version`` and shell completion stay fast.
"""

__version__ = "0.1.0"
