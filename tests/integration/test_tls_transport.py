"""The transport of accepted TLS connections, with clients that behave well and clients that do not (ADR 30)."""

import asyncio
import contextlib
import logging
import socket
import ssl
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from proxy.downstream import listener as listening
from proxy.downstream import tls_handshakes
from proxy.downstream.socket_transport import HIGH_WATER_BYTES
from tests.support.tls_listener import WITHIN_S, Client, Recorder, Site, client_of, site
from tests.support.waiting import eventually

VERSIONS = pytest.mark.parametrize(
    "version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["TLS 1.2", "TLS 1.3"]
)
BIG = bytes(range(256)) * 40_000
"""10 MB."""


# --- handshakes -------------------------------------------------------------------------------------


@VERSIONS
async def test_a_session_is_resumed(tmp_path: Path, version: ssl.TLSVersion) -> None:
    async with site(tmp_path) as at:
        context = at.trusting()
        context.maximum_version = version
        session = None
        for is_resumed in (False, True, True):
            with await at.connect() as plain:
                client = Client(plain, context, session)
                await client.shake_hands()
                await client.write(b"hello")
                await eventually(lambda: at.made[-1].data == b"hello")
                at.made[-1].transport.write(b"world")
                assert await client.read(5) == b"world"
                assert (client.tls.session_reused, client.tls.version()) == (
                    is_resumed,
                    version.name.replace("_", ".").replace("TLSv1", "TLSv1"),
                )
                session = client.tls.session


@VERSIONS
async def test_bytes_that_come_one_at_a_time(tmp_path: Path, version: ssl.TLSVersion) -> None:
    async with site(tmp_path) as at:
        context = at.trusting()
        context.maximum_version = version
        with await at.connect() as plain:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            client = Client(plain, context)
            await client.shake_hands(piece_bytes=1)
            await client.write(b"hello", piece_bytes=1)
            await eventually(lambda: at.made[0].data == b"hello")
            assert at.made[0].events == ["made"]


@pytest.mark.parametrize(
    ("sent", "ends", "reason"),
    [
        (b"GET / HTTP/1.1\r\nhost: a\r\n\r\n", False, "http request"),
        (b"\x05\x01\x00" + b"\xff" * 300, False, "wrong version number"),
        (b"\x16\x03\x01\x00\x05\x02\x00\x00\x01\x00", False, "unexpected message"),
        (b"\x16\x03\x01\x02\x00\x01", True, "the client has left"),
        (b"\x16\x03\x01\x02\x00\x01", False, "it was not complete after 0.2 s"),
        (b"", False, "it was not complete after 0.2 s"),
        (b"", True, None),
    ],
    ids=["HTTP", "noise", "a server's message", "cut off", "stalled", "silent", "a probe of TCP"],
)
async def test_a_handshake_that_fails_is_logged_in_one_sentence(
    tmp_path: Path,
    sent: bytes,
    ends: bool,
    reason: str | None,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(tls_handshakes, "_HANDSHAKE_S", 0.2)
    caplog.set_level(logging.INFO)
    async with site(tmp_path) as at:
        with await at.connect() as plain:
            loop = asyncio.get_running_loop()
            await loop.sock_sendall(plain, sent)
            if ends:
                plain.shutdown(socket.SHUT_WR)
            with contextlib.suppress(ConnectionResetError):
                async with asyncio.timeout(WITHIN_S):
                    while await loop.sock_recv(plain, 1000):
                        pass
        monkeypatch.undo()
        async with client_of(at) as client:  # Others are served.
            await client.write(b"hello")
            await eventually(lambda: at.made[1].data == b"hello")
        assert at.made[0].events == []
    lines = [each.getMessage() for each in caplog.records if "TLS" in each.getMessage()]
    expected = [] if reason is None else [f"the TLS handshake with 127.0.0.1 failed: {reason}"]
    assert lines == expected


async def test_a_client_that_resets_during_the_handshake(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with site(tmp_path) as at:
        with await at.connect() as plain:
            await asyncio.get_running_loop().sock_sendall(plain, b"\x16\x03\x01\x02\x00\x01")
            await eventually(lambda: len(at.listener._handshakes) == 1)
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await eventually(lambda: len(at.listener._handshakes) == 0)
        assert at.made[0].events == []
    assert "TLS" not in caplog.text


async def test_with_too_many_handshakes_the_oldest_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls_handshakes, "_MAX_HANDSHAKES", 3)
    loop = asyncio.get_running_loop()
    async with site(tmp_path) as at, contextlib.AsyncExitStack() as stack:
        stalled = []
        for count in range(1, 4):
            stalled.append(stack.enter_context(await at.connect()))
            await eventually(lambda: len(at.listener._handshakes) == count)  # noqa: B023
        async with client_of(at):
            async with asyncio.timeout(WITHIN_S):
                assert await loop.sock_recv(stalled[0], 1) == b""
            assert len(at.listener._handshakes) == 2


async def test_a_listener_that_ends_waits_for_handshakes_and_then_ends_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "_TLS_HANDSHAKES_S", 0.2)
    async with site(tmp_path) as at:
        with await at.connect() as silent, await at.connect() as plain:
            await eventually(lambda: len(at.listener._handshakes) == 2)
            await at.listener.stop_accepting()
            ends = asyncio.create_task(at.listener.finish(WITHIN_S, asyncio.Event()))
            client = Client(plain, at.trusting())
            await client.shake_hands()
            await client.write(b"hello")
            await eventually(lambda: any(each.data == b"hello" for each in at.made))
            for each in at.listener.connections:
                cast(Recorder, each).transport.close()
            async with asyncio.timeout(WITHIN_S):
                await ends
            await asyncio.sleep(0)
            assert len(at.listener._handshakes) == 0
            assert await asyncio.get_running_loop().sock_recv(silent, 1) == b""


# --- the end ----------------------------------------------------------------------------------------


@VERSIONS
async def test_close_sends_the_unsent_bytes_and_close_notify(
    tmp_path: Path, version: ssl.TLSVersion
) -> None:
    async with site(tmp_path) as at:
        context = at.trusting()
        context.maximum_version = version
        async with client_of(at, context) as client:
            transport = at.made[0].transport
            transport.write(BIG)
            transport.close()
            transport.write(b"ignored")
            transport.close()
            assert await client.read() == BIG
            await client.end()
            await eventually(lambda: at.made[0].events[-1] == "lost")


@pytest.mark.parametrize("how", ["close_notify", "FIN"])
async def test_a_client_that_ends_its_direction_ends_the_connection(
    tmp_path: Path, how: str
) -> None:
    async with site(tmp_path) as at, client_of(at) as client:
        if how == "FIN":
            client.plain.shutdown(socket.SHUT_WR)
        else:
            client.tls.write(b"last")
            await client.say_close()
        assert await client.read() == b""
        await client.end()
        await eventually(lambda: at.made[0].events == ["made", "eof", "lost"])
        assert bytes(at.made[0].data) == (b"" if how == "FIN" else b"last")


async def test_after_the_end_of_writing_the_client_is_still_read(tmp_path: Path) -> None:
    async with site(tmp_path) as at, client_of(at) as client:
        transport = at.made[0].transport
        transport.write(b"response")
        assert transport.can_write_eof()
        transport.write_eof()
        assert await client.read() == b"response"
        await client.end()
        await client.write(b"still read")
        await eventually(lambda: at.made[0].data == b"still read")
        await client.say_close()
        await eventually(lambda: at.made[0].events == ["made", "eof", "lost"])


async def test_bytes_that_are_no_record_end_the_connection(tmp_path: Path) -> None:
    async with site(tmp_path) as at, client_of(at) as client:
        client.tls.write(b"before")
        await client.send()
        await client.send_raw(b"GET / HTTP/1.1\r\n\r\n")
        with contextlib.suppress(ssl.SSLError, ConnectionResetError, AssertionError):
            await client.read()
        await eventually(lambda: at.made[0].events == ["made", "lost"])
        assert at.made[0].data == b"before"


async def test_a_protocol_that_raises_is_reported_and_its_connection_ends(tmp_path: Path) -> None:
    reported: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))

    async with site(tmp_path) as at, client_of(at) as client:
        at.made[0].is_broken = True
        await client.write(b"x")
        await eventually(lambda: at.made[0].events == ["made", "lost"])
    assert [str(each["exception"]) for each in reported] == ["a defect"]


# --- bytes in both directions -----------------------------------------------------------------------


@VERSIONS
async def test_a_slow_reader_pauses_the_protocol(tmp_path: Path, version: ssl.TLSVersion) -> None:
    async with site(tmp_path) as at:
        context = at.trusting()
        context.maximum_version = version
        async with client_of(at, context) as client:
            protocol = at.made[0]
            protocol.transport.writelines([BIG[:-10], BIG[-10:]])
            assert protocol.transport.get_write_buffer_size() > HIGH_WATER_BYTES
            assert protocol.events == ["made", "pause"]
            assert await client.read(len(BIG)) == BIG
            await eventually(lambda: protocol.events == ["made", "pause", "resume"])
            assert protocol.transport.get_write_buffer_size() == 0


async def test_a_paused_transport_leaves_the_bytes_to_the_kernel(tmp_path: Path) -> None:
    async with site(tmp_path) as at, client_of(at) as client:
        protocol = at.made[0]
        protocol.transport.pause_reading()
        assert not protocol.transport.is_reading()
        sending = asyncio.create_task(client.write(BIG))
        await asyncio.sleep(0.05)
        assert not protocol.data
        assert not sending.done()
        protocol.transport.resume_reading()
        assert protocol.transport.is_reading()
        await sending
        await eventually(lambda: len(protocol.data) == len(BIG))
        assert protocol.data == BIG


@VERSIONS
async def test_ten_megabytes_go_both_ways_at_the_same_time(
    tmp_path: Path, version: ssl.TLSVersion
) -> None:
    async with site(tmp_path) as at:
        context = at.trusting()
        context.maximum_version = version
        async with client_of(at, context) as client:
            at.made[0].echoes = True
            sending = asyncio.create_task(client.write(BIG))
            assert await client.read(len(BIG)) == BIG
            await sending


INFO: dict[str, Callable[[Site, Client], object]] = {
    "peername": lambda _, client: client.plain.getsockname(),
    "sockname": lambda at, _: at.address,
    "nothing": lambda _, __: None,
}


@pytest.mark.parametrize("name", INFO)
async def test_what_the_transport_knows(tmp_path: Path, name: str) -> None:
    async with site(tmp_path) as at, client_of(at) as client:
        transport = at.made[0].transport
        assert transport.get_extra_info(name) == INFO[name](at, client)
        assert transport.get_extra_info("ssl_object").version() == "TLSv1.3"
