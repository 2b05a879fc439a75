"""Plain HTTP on a port that speaks TLS."""

from __future__ import annotations

from streamctl.net.http_plain import PlainPeer
from streamctl.net.http_response import ResponseWriter
from tests.streamctl.net.site import Client, parse


def test_who_speaks_plain_http_where_tls_is_spoken_is_told() -> None:
    client = Client()
    client.take()
    peer = PlainPeer(ResponseWriter(client.clock.wall))
    peer.connected(client, ("192.0.2.7", 40000))
    peer.received(b"GET / HTTP/1.1\r\n")
    response = parse(client.take())
    assert response.status == 400
    assert response.headers["connection"] == "close"
    assert b"https://" in response.body
    assert client.reason == "not TLS"
    peer.paused()
    peer.resumed()
    peer.closed("not TLS")
