"""Octets to frames: cuts, glue, whitespace, and what is between frames."""

from __future__ import annotations

import json

from ..matches import about, disconnect, message, response
from ..registry import Risk, case
from ..vocabulary import Client, Room
from .common import JUNK, TALK


def frame_of(text: str) -> bytes:
    """A message for everyone, without its line feed."""
    frame = {"message": text, "sender": "somebody", "dm": None}
    return json.dumps(frame, ensure_ascii=False).encode()


def struck(client: Client) -> bool:
    """Whether the server lets go of this client in one way or the other."""
    client.room.wait(lambda: client.ended is not None or client.has(disconnect()))
    return client.ended is not None or client.has(disconnect())


@case("framing.without-line-feed", "FRAME-10", needs=TALK, risk=Risk.FRAMING)
def without_line_feed(room: Room) -> None:
    """An endpoint MUST process a frame when its last `}` has arrived, without waiting for an LF
    or for anything else to follow."""
    bob, alice = room.join("bob"), room.join("alice")
    text = room.text()
    alice.send(frame_of(text))
    bob.expect(message(text))
    newcomer = room.connect("newcomer")
    newcomer.send(b'{"username": "%s"}' % room.name("newcomer").encode())
    newcomer.expect(response(), permitted="a join without LF is answered")
    newcomer.joined = True


@case(
    "framing.nothing-between",
    "FRAME-5",
    needs=(*TALK, "framing.without-line-feed"),
    risk=Risk.FRAMING,
)
def nothing_between(room: Room) -> None:
    """An endpoint MUST accept frames that follow one another with nothing between them."""
    bob, alice = room.join("bob"), room.join("alice")
    for _ in range(3):
        text = room.text()
        alice.send(frame_of(text))
        bob.expect(message(text))


@case("framing.together", "FRAME-9", needs=TALK, risk=Risk.FRAMING)
def together(room: Room) -> None:
    """An endpoint MUST process every frame of those that arrive together."""
    bob, alice = room.join("bob"), room.join("alice")
    texts = [room.text() for _ in range(5)]
    alice.send(b"".join(frame_of(text) + b"\n" for text in texts))
    for text in texts:
        bob.expect(message(text))


@case(
    "framing.glued",
    "FRAME-5",
    needs=(*TALK, "framing.without-line-feed", "framing.together"),
    risk=Risk.FRAMING,
)
def glued(room: Room) -> None:
    """An endpoint MUST accept frames that follow one another with nothing between them."""
    bob, alice = room.join("bob"), room.join("alice")
    texts = [room.text("}{") for _ in range(5)]
    alice.send(b"".join(frame_of(text) for text in texts))
    for text in texts:
        bob.expect(message(text))


@case("framing.whitespace-between", "FRAME-6", needs=TALK, risk=Risk.FRAMING)
def whitespace_between(room: Room) -> None:
    """An endpoint MUST accept any amount of whitespace before, between and after frames."""
    bob, alice = room.join("bob"), room.join("alice")
    for before, after in ((b"\n\n", b"\r\n"), (b" \t\r\n", b"\n \t\n"), (b" " * 999, b"\r\r")):
        text = room.text()
        alice.send(before + frame_of(text) + after)
        bob.expect(message(text), permitted=f"a frame between {before[:9]!r} and {after!r}")
        room.settle()
    newcomer = room.connect("newcomer")
    newcomer.send(b' \r\n\t{"username": "%s"}\n' % room.name("newcomer").encode())
    newcomer.expect(response(isConnected=True), permitted="a join behind whitespace is granted")
    newcomer.joined = True


@case("framing.whitespace-inside", "FRAME-7", needs=TALK, risk=Risk.FRAMING)
def whitespace_inside(room: Room) -> None:
    """An endpoint MUST accept whitespace, LF included, inside a frame wherever the JSON grammar
    allows it."""
    bob, alice = room.join("bob"), room.join("alice")
    text = room.text()
    alice.send(b'{\n\t"message"\r\n: \n"%s" ,\n"sender":"x",\n"dm"\n:\nnull\n}\n' % text.encode())
    bob.expect(message(text))


@case("framing.cut", "FRAME-8", needs=TALK, risk=Risk.FRAMING)
def cut(room: Room) -> None:
    """An endpoint MUST process a frame in the same way however its octets are cut into
    segments."""
    bob, alice = room.join("bob"), room.join("alice")
    text = room.text('\u00fc "{[\\ \U0001f600')
    whole = frame_of(text)
    places = {
        1,
        whole.index(b"message") + 3,
        whole.index("\u00fc".encode()) + 1,
        whole.index(b'\\"') + 1,
        whole.index(b"\\\\") + 1,
        whole.index("\U0001f600".encode()) + 2,
        whole.index(b"null") + 2,
        len(whole) - 1,
    }
    for place in sorted(places):
        alice.send(whole[:place])
        room.settle()  # so that the two parts surely come apart
        alice.send(whole[place:] + b"\n")
        bob.expect(message(text), permitted=f"a frame cut behind octet {place} is relayed")


@case("framing.byte-by-byte", "FRAME-8", needs=TALK, risk=Risk.FRAMING)
def byte_by_byte(room: Room) -> None:
    """An endpoint MUST process a frame in the same way however its octets are cut into
    segments."""
    room.bystanders()
    bob = room.join("bob")
    name, text = room.name("alice"), room.text("gr\u00fc\u00dfe \U0001f600 \\")
    alice = room.connect("alice")
    join = b'{"username": "%s"}\n' % name.encode()
    _send_by_octets(room, alice, join)
    alice.expect(response(isConnected=True))
    alice.joined = True
    _send_by_octets(room, alice, frame_of(text) + b"\n")
    bob.expect(message(text))


def _send_by_octets(room: Room, client: Client, data: bytes) -> None:
    for number, octet in enumerate(data, 1):
        client.send(bytes([octet]))
        if number % 12 == 0:
            room.settle()  # so that they don't all come in one segment


@case("framing.complete-at-end", "FRAME-11", needs=TALK, risk=Risk.DEADLY)
def complete_at_end(room: Room) -> None:
    """An endpoint MUST process a complete frame that is followed by end of stream instead of
    LF."""
    bob, alice = room.join("bob"), room.join("alice")
    text = room.text()
    alice.send(frame_of(text))
    alice.half_close()
    bob.expect(message(text))


@case(
    "framing.cut-off-at-end",
    "FRAME-12",
    needs=(*TALK, "leaving.end-of-stream"),
    control="framing.complete-at-end",
    risk=Risk.DEADLY,
)
def cut_off_at_end(room: Room) -> None:
    """An endpoint MUST NOT process a frame that end of stream has left incomplete."""
    bob, carol = room.join("bob"), room.join("carol")
    for missing in (1, 5):
        alice = room.join("alice")
        room.settle()
        bob.forget()
        text = room.text("cut off")
        alice.send(frame_of(text)[:-missing])
        alice.half_close()
        bob.must_get(about(alice.username).but_not("cut off"))
        bob.never(message(text), until=carol.sentinel_to(bob))


@case("framing.junk", "FRAME-13", needs=TALK, risk=Risk.DEADLY)
def junk(room: Room) -> None:
    """An endpoint MUST treat an octet between frames that is neither whitespace nor `{` as a
    violation."""
    alice = room.join("alice")
    alice.spoilt = True
    alice.send(JUNK)
    room.claim(struck(alice), "the server lets go of who sends junk", "nothing happens")


@case("framing.fault-when-complete", "FRAME-14", needs=(*TALK, "framing.junk"), risk=Risk.DEADLY)
def fault_when_complete(room: Room) -> None:
    """An endpoint MUST act on a violation inside an object at the latest when the object's
    brackets balance or its size limit is reached."""
    for broken in (b'{"message": nonsense}', b'{"message" "x"}', b'{"a": [1, 2}}'):
        alice = room.join("alice")
        alice.spoilt = True
        alice.send(broken)
        room.claim(
            struck(alice), f"the server lets go of who sends {broken!r}, no LF", "nothing happens"
        )
