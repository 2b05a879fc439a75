"""Certificates that are read, refused, and followed."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import subprocess
import warnings
from typing import TYPE_CHECKING

import anyio
import pytest

from streamctl.errors import ConfigError, ConnectionFailed
from streamctl.net.tcp import connect_tcp
from streamctl.net.tls import ServerTls, client_context, look
from tests.streamctl.net.recorder import RecordingPeer, serving
from tests.support.certificates import Pair, self_signed
from tests.support.tools import tool
from tests.support.waiting import PATIENCE_S

if TYPE_CHECKING:
    from pathlib import Path

    from streamctl.sdk.endpoints import Address

OFTEN_S = 0.01


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return self_signed(tmp_path)


def shown(address: Address) -> str:
    """The certificate that a server presents, in PEM."""
    return ssl.get_server_certificate(address, timeout=5)


async def becomes(address: Address, pair: Pair) -> None:
    """Return once a server presents the certificate."""
    wanted = ssl.PEM_cert_to_DER_cert(pair.cert.read_text())
    with anyio.fail_after(PATIENCE_S):
        while ssl.PEM_cert_to_DER_cert(await anyio.to_thread.run_sync(shown, address)) != wanted:
            await anyio.sleep(OFTEN_S)


@pytest.mark.anyio
async def test_a_renewed_certificate_is_presented_to_the_next_client(
    tmp_path: Path, pair: Pair
) -> None:
    tls = ServerTls(pair.cert, pair.key)
    async with serving(RecordingPeer, tls=tls) as address:
        await becomes(address, pair)
        renewed = self_signed(tmp_path)
        await becomes(address, renewed)


@pytest.mark.anyio
async def test_links_that_are_swapped_count_as_change(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first, second = self_signed(tmp_path / "a"), self_signed(tmp_path / "b")
    live = tmp_path / "live"
    live.symlink_to("a")
    tls = ServerTls(live / "cert.pem", live / "key.pem")
    async with serving(RecordingPeer, tls=tls) as address, anyio.create_task_group() as tasks:
        tasks.start_soon(tls.watch, OFTEN_S)
        await becomes(address, first)
        fresh = tmp_path / "fresh"
        fresh.symlink_to("b")
        fresh.rename(live)
        await becomes(address, second)
        tasks.cancel_scope.cancel()


@pytest.mark.anyio
async def test_a_broken_pair_is_said_once_and_the_old_one_stays(
    tmp_path: Path, pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    tls = ServerTls(pair.cert, pair.key, setting="listeners.rtmps")
    await anyio.to_thread.run_sync(tls.load)
    old = tls.context
    (tmp_path / "other").mkdir()
    other = self_signed(tmp_path / "other")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(tls.watch, OFTEN_S)
        shutil.copy(other.key, pair.key)
        with anyio.fail_after(PATIENCE_S):
            while not caplog.messages:
                await anyio.sleep(OFTEN_S)
        assert tls.context is old
        shutil.copy(other.cert, pair.cert)
        with anyio.fail_after(PATIENCE_S):
            while tls.context is old:
                await anyio.sleep(OFTEN_S)
        tasks.cancel_scope.cancel()
    assert len([line for line in caplog.messages if "does not belong" in line]) == 1
    assert "the old certificate stays" in caplog.messages[0]


def test_permissions_that_change_are_a_reason_to_look_again(pair: Pair) -> None:
    before = look(pair.cert, pair.key)
    assert look(pair.cert, pair.key) == before
    pair.key.chmod(0o640)
    assert look(pair.cert, pair.key) != before


def test_a_missing_file_is_named_with_its_key_and_a_remedy(tmp_path: Path, pair: Pair) -> None:
    with pytest.raises(ConfigError, match="no such file") as caught:
        ServerTls(tmp_path / "nowhere.pem", pair.key, setting="listeners.rtmps").load()
    assert caught.value.key == "listeners.rtmps.tls_cert"
    assert "nowhere.pem" in caught.value.message
    assert caught.value.hint
    with pytest.raises(ConfigError) as caught:
        ServerTls(pair.cert, tmp_path / "nowhere.pem").load()
    assert caught.value.key == "tls_key"


def test_pipes_are_refused_as_opening_them_may_never_end(tmp_path: Path, pair: Pair) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for cert, key in ((pipe, pair.key), (pair.cert, pipe), (tmp_path, pair.key)):
        with pytest.raises(ConfigError, match="not a regular file"):
            ServerTls(cert, key).load()
    with pytest.raises(ConfigError, match="not a regular file"):
        client_context(pipe)


def test_files_that_are_no_pem_are_named(tmp_path: Path, pair: Pair) -> None:
    junk = tmp_path / "junk.pem"
    junk.write_text("hello")
    with pytest.raises(ConfigError, match=r"not in PEM") as caught:
        ServerTls(junk, pair.key).load()
    assert "openssl" in caught.value.hint
    with pytest.raises(ConfigError, match=r"not in PEM"):
        ServerTls(pair.cert, junk).load()


def test_an_encrypted_key_is_refused_and_nobody_is_asked(tmp_path: Path, pair: Pair) -> None:
    locked = tmp_path / "locked.pem"
    subprocess.run(
        [tool("openssl"), "pkey", "-in", pair.key, "-aes256", "-passout", "pass:x", "-out", locked],
        check=True,
        capture_output=True,
    )
    with pytest.raises(ConfigError, match="encrypted") as caught:
        ServerTls(pair.cert, locked).load()
    assert "openssl pkey" in caught.value.hint


@pytest.mark.anyio
async def test_versions_before_tls_1_2_are_refused(pair: Pair) -> None:
    async with serving(RecordingPeer, tls=ServerTls(pair.cert, pair.key)) as address:
        old = client_context(verify=False)
        with warnings.catch_warnings(action="ignore"):
            old.minimum_version = ssl.TLSVersion.TLSv1
            old.maximum_version = ssl.TLSVersion.TLSv1_1
        old.set_ciphers("ALL:@SECLEVEL=0")

        def shake_hands() -> None:
            with socket.create_connection(address, PATIENCE_S) as plain, old.wrap_socket(plain):
                pass

        with pytest.raises(ssl.SSLError):
            await anyio.to_thread.run_sync(shake_hands)


@pytest.mark.anyio
async def test_no_session_tickets_are_sent(pair: Pair) -> None:
    """They would come as data to clients that don't expect any, as librtmp with GnuTLS."""
    context = client_context(verify=False)

    def talk(address: Address) -> ssl.SSLSession | None:
        with (
            socket.create_connection(address, PATIENCE_S) as plain,
            context.wrap_socket(plain) as secure,
        ):
            secure.sendall(b"x")
            assert secure.recv(1) == b"x"
            assert secure.version() == "TLSv1.3"
            return secure.session

    def echo(peer: RecordingPeer, data: bytes) -> None:
        peer.wire.write(data)

    async with serving(lambda: RecordingPeer(echo), tls=ServerTls(pair.cert, pair.key)) as address:
        session = await anyio.to_thread.run_sync(talk, address)
        assert session is None or not session.has_ticket


@pytest.mark.anyio
async def test_a_client_trusts_what_it_was_told_to(pair: Pair) -> None:
    trusting = await anyio.to_thread.run_sync(client_context, pair.cert)
    async with serving(RecordingPeer, tls=ServerTls(pair.cert, pair.key)) as (host, port):
        with pytest.raises(ConnectionFailed, match="certificate not trusted"):
            await connect_tcp(host, port, RecordingPeer(), tls=client_context())
        for context in (trusting, client_context(verify=False)):
            peer = RecordingPeer()
            await connect_tcp(host, port, peer, tls=context)
            peer.wire.close("done")


def test_authorities_that_can_not_be_read_are_named(tmp_path: Path) -> None:
    junk = tmp_path / "junk.pem"
    junk.write_text("hello")
    with pytest.raises(ConfigError, match="can't read certificates"):
        client_context(junk)
    with pytest.raises(ConfigError, match="no such file"):
        client_context(tmp_path / "nowhere.pem")
