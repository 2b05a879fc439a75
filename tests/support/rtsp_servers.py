"""Other people's RTSP servers: gst-rtsp-server, and FFmpeg as one that takes a single push."""

from __future__ import annotations

import json
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.support.peers import HOST, ffmpeg
from tests.support.ports import free_port
from tests.support.process import Process, eventually
from tests.support.tools import missing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PYTHON = "/usr/bin/python3"
"""The one that the bindings of GStreamer are installed for."""
LOGIN = ("admin", "s3cret")
SERVER = r"""
import gi, json, sys
gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gst, GLib, GstRtsp, GstRtspServer
Gst.init(None)
want = json.loads(sys.argv[1])
server = GstRtspServer.RTSPServer()
server.set_address(want["host"])
server.set_service(want["port"])
ways = GstRtsp.RTSPLowerTrans(0)
for name in want["transports"]:
    ways |= getattr(GstRtsp.RTSPLowerTrans, name)
pool = GstRtspServer.RTSPAddressPool()
pool.add_range("239.255.77.1", "239.255.77.9", 20000, 20100, 1)
factory = GstRtspServer.RTSPMediaFactory()
factory.set_launch(want["launch"])
factory.set_shared(not want["record"])
factory.set_protocols(ways)
factory.set_address_pool(pool)
if want["record"]:
    factory.set_transport_mode(GstRtspServer.RTSPTransportMode.RECORD)
    factory.set_latency(0)
server.get_mount_points().add_factory("/x", factory)
server.get_mount_points().add_factory("/live/x", factory)
if want["auth"]:
    auth = GstRtspServer.RTSPAuth()
    token = GstRtspServer.RTSPToken()
    token.set_string(GstRtspServer.RTSP_TOKEN_MEDIA_FACTORY_ROLE, "user")
    user, password = want["login"]
    if want["auth"] == "digest":
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        auth.add_digest(user, password, token)
    else:
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
    server.set_auth(auth)
    permissions = GstRtspServer.RTSPPermissions()
    permissions.add_permission_for_role("user", "media.factory.access", True)
    permissions.add_permission_for_role("user", "media.factory.construct", True)
    factory.set_permissions(permissions)
server.attach(None)
print("port", server.get_bound_port(), flush=True)
GLib.MainLoop().run()
"""
QUEUE = "queue max-size-time=0 max-size-bytes=0 max-size-buffers=0"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a gst-rtsp-server is like."""

    launch: str
    record: bool = False
    auth: str = ""
    """``basic`` or ``digest``; the login is :data:`LOGIN`."""
    transports: tuple[str, ...] = ("TCP", "UDP")


def playing(media: Path) -> str:
    """The pipeline that plays a file with H.264 and AAC."""
    head = f"( filesrc location={media} ! qtdemux name=d"
    video = f"d. ! {QUEUE} ! h264parse config-interval=-1 ! rtph264pay name=pay0 pt=96"
    return f"{head} {video} d. ! {QUEUE} ! aacparse ! rtpmp4gpay name=pay1 pt=97 )"


def recording(out: Path) -> str:
    """The pipeline that records H.264 and AAC."""
    video = "rtph264depay name=depay0 ! h264parse ! queue ! matroskamux name=m streamable=true"
    return f"( {video} ! filesink location={out} rtpmp4gdepay name=depay1 ! aacparse ! queue ! m. )"


@contextmanager
def gst_rtsp_server(wanted: Wanted) -> Iterator[tuple[Process, int]]:
    """A running gst-rtsp-server with ``/x`` and ``/live/x``, and its port."""
    probe = [PYTHON, "-c", "import gi; gi.require_version('GstRtspServer', '1.0')"]
    try:
        subprocess.run(probe, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        missing("gst-rtsp-server with its bindings for Python")
    with Process(server_command(wanted)) as process:
        yield process, int(process.wait_line(r"port (\d+)", 20).group(1))


def server_command(wanted: Wanted, port: int = 0) -> list[str]:
    """The command of a gst-rtsp-server; port 0 = the system chooses."""
    told = {
        "host": HOST,
        "port": str(port),
        "launch": wanted.launch,
        "record": wanted.record,
        "auth": wanted.auth,
        "login": LOGIN,
        "transports": [{"MULTICAST": "UDP_MCAST"}.get(one, one) for one in wanted.transports],
    }
    return [PYTHON, "-c", SERVER, json.dumps(told)]


@contextmanager
def ffmpeg_listening(out: Path, path: str = "live/x") -> Iterator[tuple[Process, str]]:
    """FFmpeg that waits for one push and records it, and the URL to push to."""
    url = f"rtsp://{HOST}:{free_port()}/{path}"
    with ffmpeg(
        *("-rtsp_flags", "listen", "-i", url, "-map", "0", "-c", "copy"),
        *("-flush_packets", "1", "-y", str(out)),
    ) as process:
        yield process, url


def written(path: Path, size: int = 1) -> None:
    """Return once a file has so many bytes."""
    eventually(lambda: path.exists() and path.stat().st_size >= size, 30, f"{path} is written")
