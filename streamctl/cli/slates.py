"""What ``streamctl config check`` asks of a running server, to compare slates with its streams."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamctl.avworker.client import AvWorkerClient
from streamctl.client import Client
from streamctl.engine.slatecheck import Files, Findings, judge, slated
from streamctl.errors import StreamctlError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streamctl.config.model import Config
    from streamctl.schema import StreamStatus

SERVER_TIMEOUT_S = 2.0
"""A server that does not answer at once is not what the file is for."""


async def judged(config: Config, server: str) -> Findings:
    """Look at every slate; ``server`` is whom to ask, empty = the usual one."""
    found = Findings()
    if slated(config):
        running, silent = await asked(server)
        files = Files(config.server.media_roots, AvWorkerClient())
        await judge(config, files, running, found, silent=silent)
    return found


async def asked(server: str) -> tuple[Mapping[str, StreamStatus], str]:
    """The streams of a running server by code, and why there are none."""
    try:
        streams = await Client(server, timeout_s=SERVER_TIMEOUT_S).streams()
    except StreamctlError as error:
        return {}, str(error)
    return {stream.id: stream for stream in streams}, ""
