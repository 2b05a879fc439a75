"""``streamctl tui``: the server on one screen of a terminal."""

from __future__ import annotations

import sys

from streamctl.cli.options import Server


def tui(server: Server = "") -> None:
    """Watch and control a running server in the terminal.

    Shows streams, tracks and sessions as they change; k kicks the selected session, ? lists the
    keys, q quits.
    """
    from streamctl.client import Client
    from streamctl.errors import Unsupported

    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise Unsupported("needs a terminal", hint="`streamctl status --watch` works without one")
    client = Client(server)
    from streamctl.tui.app import StreamctlApp

    StreamctlApp(client).run()
