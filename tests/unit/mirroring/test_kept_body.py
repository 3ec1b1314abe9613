"""How much of a body is kept, and what is known of the rest."""

from hashlib import sha256

import pytest

from proxy.mirroring.kept_body import KeptBody, KeptBytes


def kept(*pieces: bytes, limit: int = 10, room: int = 100) -> tuple[KeptBody, KeptBytes]:
    bytes_of_all = KeptBytes(room)
    body = KeptBody(limit, bytes_of_all)
    for piece in pieces:
        body.add(piece)
    return body, bytes_of_all


@pytest.mark.parametrize("pieces", [(), (b"",), (b"abc",), (b"ab", b"cdefgh", b"ij")])
def test_a_body_within_the_limit_is_kept_whole(pieces: tuple[bytes, ...]) -> None:
    body, room = kept(*pieces)
    whole = b"".join(pieces)
    assert (body.data, body.length, body.is_hashed, body.digest) == (whole, len(whole), False, b"")
    assert (body.data, room.now) == (whole, len(whole))
    body.release()
    assert (body.data, room.now) == (b"", 0)


@pytest.mark.parametrize(
    "pieces", [(b"0123456789a",), (b"01234", b"56789a"), (b"x" * 9, b"y", b"z", b"")]
)
def test_a_longer_body_is_hashed_and_its_beginning_kept(pieces: tuple[bytes, ...]) -> None:
    body, room = kept(*pieces)
    whole = b"".join(pieces)
    assert (body.is_hashed, body.length) == (True, len(whole))
    assert body.digest == sha256(whole).digest()
    assert whole.startswith(body.data)
    assert room.now == len(body.data)
    body.release()
    assert room.now == 0


def test_the_beginning_of_a_large_body_is_bounded() -> None:
    body, room = kept(*[bytes(50_000)] * 30, limit=1_000_000, room=2_000_000)
    assert (body.length, len(body.data), room.now) == (1_500_000, 65_536, 65_536)


def test_a_body_without_room_is_lost_and_takes_none() -> None:
    body, room = kept(b"12345", b"67890", b"more", room=8)
    assert (body.is_lost, body.data, room.now) == (True, b"", 0)


def test_bodies_share_the_room() -> None:
    room = KeptBytes(8)
    one, other = KeptBody(10, room), KeptBody(10, room)
    one.add(b"12345")
    other.add(b"1234")
    assert (one.is_lost, other.is_lost) == (False, True)
    one.release()
    another = KeptBody(10, room)
    another.add(b"12345678")
    assert not another.is_lost
