"""Publishers, players and groups over UDP, with real sockets on this machine."""

from __future__ import annotations

import socket
from ipaddress import ip_network
from typing import TYPE_CHECKING

import anyio
import pytest

from streamctl.media.rtp import rtcp
from streamctl.media.rtp.packet import header, parse
from streamctl.net import udp
from streamctl_rtsp.server.options import ListenerOptions
from streamctl_rtsp.server.viewer import Viewer
from streamctl_rtsp.wire.transport import Transport, parse_transports
from tests.plugins.streamctl_rtmp.world import IDR, VIDEO, picture
from tests.plugins.streamctl_rtsp.server.world import (
    SDP,
    TCP,
    URL,
    Client,
    RtspWorld,
    group_of_pictures,
    listening,
)
from tests.support.waiting import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.anyio
HOST = "127.0.0.1"
GROUPS = ListenerOptions(
    multicast=ip_network("239.255.77.0/31"), multicast_port=28_002, interface=HOST
)
OPEN: list[socket.socket] = []


@pytest.fixture(autouse=True)
def closed_afterwards() -> Iterator[None]:
    yield
    while OPEN:
        OPEN.pop().close()


class Ports:
    """Two ports of a client."""

    def __init__(self) -> None:
        self.media = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.reports = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        for one in (self.media, self.reports):
            one.bind((HOST, 0))
            one.setblocking(False)
            OPEN.append(one)

    @property
    def pair(self) -> tuple[int, int]:
        return self.media.getsockname()[1], self.reports.getsockname()[1]

    def came(self, count: int = 0, *, reports: bool = False) -> list[bytes]:
        """What has come; so many datagrams are waited for."""
        one = self.reports if reports else self.media
        found: list[bytes] = []
        while True:
            one.settimeout(PATIENCE_S if len(found) < count else 0)
            try:
                found.append(one.recv(2000))
            except BlockingIOError:
                return found


@pytest.fixture
def world() -> RtspWorld:
    return RtspWorld()


async def set_up(client: Client, track: str, *, record: bool = False) -> tuple[Ports, Transport]:
    ports = Ports()
    mode = ";mode=record" if record else ""
    wanted = f"RTP/AVP;unicast;client_port={ports.pair[0]}-{ports.pair[1]}{mode}"
    answer = await client.ask("SETUP", f"{URL}/{track}", Transport=wanted)
    assert answer.status == 200, answer.reason
    return ports, parse_transports(answer.headers.get("Transport"))[0]


async def test_a_player_gets_datagrams(world: RtspWorld) -> None:
    world.on_air()
    async with listening(world) as port:
        client = Client(port)
        await client.ask("DESCRIBE")
        first, told = await set_up(client, "trackID=0")
        video, again = await set_up(client, "trackID=0")
        audio, _ = await set_up(client, "trackID=1")
        assert told.server_port != again.server_port
        assert again.client_port == video.pair
        assert (
            await client.ask("SETUP", URL + "/trackID=1", Transport=TCP.format(2, 3))
        ).status == 461
        assert (await client.ask("PLAY")).status == 200
        world.clock.advance(1)
        packets = [parse(one) for one in video.came(1)]
        assert [one.sequence for one in packets] == [
            (packets[0].sequence + n) & 0xFFFF for n in range(len(packets))
        ]
        assert len(audio.came(10)) == 10
        assert isinstance(rtcp.parse(video.came(1, reports=True)[0])[0], rtcp.SenderReport)
        assert first.came() == []
        world.show(*group_of_pictures(5))
        assert video.came(1)
        assert world.sessions[0].bytes_out > 0
        assert (await client.ask("PAUSE")).status == 200
        world.show(*group_of_pictures(10))
        world.clock.advance(1)
        video.came()
        world.show(*group_of_pictures(15))
        assert video.came() == []
        assert (await client.ask("PLAY")).status == 200
        world.clock.advance(1)
        assert video.came(1)


async def test_reports_over_udp_count_what_has_left(world: RtspWorld) -> None:
    world.on_air()
    async with listening(world) as port:
        client = Client(port)
        await client.ask("DESCRIBE")
        video, _ = await set_up(client, "trackID=0")
        packets = octets = 0

        def check() -> rtcp.SenderReport:
            nonlocal packets, octets
            report = rtcp.parse(video.came(1, reports=True)[-1])[0]
            assert isinstance(report, rtcp.SenderReport)
            media = [parse(one) for one in video.came(report.packets - packets)]
            packets += len(media)
            octets += sum(len(one.payload) for one in media)
            assert (report.packets, report.octets) == (packets, octets)
            return report

        await client.ask("PLAY")
        world.clock.advance(0.5)
        assert check().packets > 0
        world.show(*(picture(number, key=number == 5, size=90_000) for number in range(5, 8)))
        await client.ask("PAUSE")
        # Most of the large pictures has not left, and never will.
        world.show(*group_of_pictures(10))
        world.clock.advance(1)
        await client.ask("PLAY")
        world.clock.advance(1)
        check()


async def test_a_player_over_udp_has_to_give_signs_of_life(world: RtspWorld) -> None:
    world.on_air()
    async with listening(world) as port:
        client, silent = Client(port, 1), Client(port, 2)
        ports = []
        for one in (client, silent):
            await one.ask("DESCRIBE")
            ports.append(await set_up(one, "trackID=0"))
            await one.ask("PLAY")
        (mine, told), _ = ports
        world.clock.advance(50)
        assert told.server_port is not None
        mine.reports.sendto(rtcp.serialise([rtcp.ReceiverReport(1)]), (HOST, told.server_port[1]))
        role = client.session.dialogue.role
        assert role is not None
        await client.until(lambda: role.heard == world.clock.now())
        world.clock.advance(20)
        assert not client.wire.closed
        assert "no sign of the client" in silent.wire.closed
        world.clock.advance(50)
        assert client.wire.closed


@pytest.mark.parametrize(
    "wanted", ["RTP/AVP;unicast;client_port=40000-40001", "RTP/AVP;multicast;mode=PLAY"]
)
async def test_ports_of_a_player_who_has_gone_meanwhile_are_closed(
    world: RtspWorld, wanted: str
) -> None:
    world.on_air()
    async with listening(world, GROUPS) as port:
        client = Client(port)
        await client.ask("DESCRIBE")
        role = client.session.dialogue.role
        assert isinstance(role, Viewer)
        client.session.received(client.say("SETUP", f"{URL}/trackID=0", Transport=wanted))
        await anyio.lowlevel.checkpoint()
        client.session.closed("gone")
        assert role.delivery is None, "it is being opened"
        await client.until(lambda: role.delivery is not None)
        await client.until(lambda: not udp.threads)
        assert port.groups is not None
        assert port.groups.by_code == {}
        assert world.fanout.viewers == {}


async def test_a_publisher_sends_datagrams(world: RtspWorld) -> None:
    async with listening(world) as port:
        client = Client(port)
        await client.ask("ANNOUNCE", body=SDP)
        earlier, _ = await set_up(client, "streamid=0", record=True)
        video, told = await set_up(client, "streamid=0", record=True)
        audio, other = await set_up(client, "streamid=1", record=True)
        assert told.server_port is not None
        assert other.server_port is not None
        answer = await client.ask("SETUP", URL + "/streamid=0", Transport=TCP.format(0, 1))
        assert answer.status == 461
        assert (await client.ask("RECORD")).status == 200
        writer = world.writer
        assert writer is not None
        for number in range(40):
            packet = header(96, number, 3600 * number, 7, marker=True) + IDR[4:]
            video.media.sendto(packet, (HOST, told.server_port[0]))
        report = rtcp.serialise([rtcp.SenderReport(7, 1 << 32, 0, 1, 1)])
        video.reports.sendto(report, (HOST, told.server_port[1]))
        audio.media.sendto(header(97, 1, 0, 8) + b"\0\x10\0\x08a", (HOST, other.server_port[0]))
        await client.until(lambda: world.sessions[0].bytes_in > 40 * 13)
        world.clock.advance(1.2)
        await client.until(lambda: writer.packets)
        world.clock.advance(5)
        assert video.came(1, reports=True), "reports about what came"
        world.clock.advance(70)
        assert "no sign of the client" in client.wire.closed
        assert earlier.came() == []


@pytest.mark.parametrize("options", [ListenerOptions(udp=False), ListenerOptions()])
async def test_what_is_not_served_is_another_transport(
    world: RtspWorld, options: ListenerOptions
) -> None:
    world.on_air()
    async with listening(world, options) as port:
        client = Client(port)
        await client.ask("DESCRIBE")
        for wanted in ("RTP/AVP;multicast", "RTP/AVP;unicast", "RTP/AVP;unicast;client_port=0-1"):
            answer = await client.ask("SETUP", URL + "/trackID=0", Transport=wanted)
            assert answer.status == 461
        ports = "RTP/AVP;unicast;client_port=40000-40001"
        answer = await client.ask("SETUP", URL + "/trackID=0", Transport=ports)
        assert answer.status == (200 if options.udp else 461)


async def test_players_share_a_group(world: RtspWorld) -> None:
    world.on_air()
    async with listening(world, GROUPS) as port:
        assert port.groups is not None
        clients = [Client(port, 1), Client(port, 2)]
        for client in clients:
            await client.ask("DESCRIBE")
            for track in (0, 1):
                answer = await client.ask(
                    "SETUP", f"{URL}/trackID={track}", Transport="RTP/AVP;multicast;mode=PLAY"
                )
                [told] = parse_transports(answer.headers.get("Transport"))
                assert (told.destination, told.ttl) == ("239.255.77.1", 16)
                assert told.port == (28_002 + 2 * track, 28_003 + 2 * track)
            assert (await client.ask("PLAY")).status == 200
        [group] = port.groups.by_code.values()
        assert list(world.fanout.viewers) == [group.session]
        outlet = group.ways[0].outlet
        assert outlet is not None
        reports: list[bytes] = []
        outlet.report = reports.append
        await clients[1].ask("PAUSE")
        await clients[1].ask("PLAY")
        report = rtcp.parse(reports[0])[0]
        assert isinstance(report, rtcp.SenderReport), "who comes later is told at once"
        assert report.packets > 0
        world.clock.advance(6)
        world.show(*group_of_pictures(5))
        world.clock.advance(1)
        assert group.wire is not None
        assert group.wire.unsent() == 0
        await clients[0].ask("TEARDOWN")
        assert list(world.fanout.viewers) == [group.session]
        await clients[1].ask("PAUSE")
        assert world.fanout.viewers == {}
        await clients[1].ask("PLAY")
        assert list(world.fanout.viewers) == [group.session]
        group.dismiss("over")
        assert clients[1].wire.closed == "over"
        assert port.groups.by_code == {}


async def test_groups_run_out(world: RtspWorld) -> None:
    world.on_air()
    async with listening(world, GROUPS) as port:
        groups = port.groups
        assert groups is not None
        client = Client(port)
        await client.ask("DESCRIBE")
        await client.ask("SETUP", URL + "/trackID=0", Transport="RTP/AVP;multicast")
        [group] = groups.by_code.values()
        groups.by_code["other"] = group
        groups.network = ip_network("239.255.77.1/32")
        del groups.by_code["news"]
        other = Client(port, 2)
        await other.ask("DESCRIBE")
        answer = await other.ask("SETUP", URL + "/trackID=0", Transport="RTP/AVP;multicast")
        assert (answer.status, answer.reason) == (
            453,
            "Not Enough Bandwidth: every multicast group is in use",
        )


async def test_a_group_without_a_way_is_refused(world: RtspWorld) -> None:
    """Also to who comes while it is being opened for another one."""
    world.on_air(VIDEO)
    options = GROUPS.model_copy(update={"interface": "no-such-one"})
    async with listening(world, options) as port:
        clients = [Client(port, 1), Client(port, 2)]
        for client in clients:
            await client.ask("DESCRIBE")
        for client in clients:
            wanted = client.say("SETUP", URL + "/trackID=0", Transport="RTP/AVP;multicast")
            client.session.received(wanted)
        for client in clients:
            await client.until(lambda: len(client.responses) == 2)  # noqa: B023
            assert client.responses[-1].status == 453
        assert port.groups is not None
        assert port.groups.by_code == {}
