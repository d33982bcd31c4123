"""Limits: what every server has to take, and what none may."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import socket

from ..matches import about, disconnect, message, response, told
from ..registry import Risk, case
from ..vocabulary import Client, FailureError, InconclusiveError, Room
from .common import GLUE, SAY, TALK, claim_code
from .framing import frame_of

CLIENT_FRAME = 4096
SERVER_FRAME = 32768
DEPTH = 16
CLIENTS = 16
QUEUE = 65536
JOIN_SECONDS = 10.0
#: More than anybody would buffer for one frame of chat.
HUGE = 16 * 1024 * 1024
#: How many people the room is filled with to find out whether it can be full.
CROWD = 64


@case("limits.frame-size", "LIMIT-1", needs=SAY)
def frame_size(room: Room) -> None:
    """A server MUST accept a client frame of up to 4,096 octets."""
    alice, bob = room.join("alice"), room.join("bob")
    for octets in (CLIENT_FRAME - 1, CLIENT_FRAME):
        text = room.text()
        frame = {"message": text, "sender": alice.username, "dm": None, "x": ""}
        frame["x"] = "x" * (octets - len(json.dumps(frame)))
        alice.frame(frame)
        bob.expect(message(text), permitted=f"a frame of {octets} octets is accepted")


@case("limits.largest-join", "LIMIT-1", needs=SAY, risk=Risk.FRAMING)
def largest_join(room: Room) -> None:
    """A server MUST accept a client frame of up to 4,096 octets."""
    alice = room.connect("alice")
    name = room.name("alice")
    padding = "x" * (CLIENT_FRAME - len(json.dumps({"username": name, "x": ""})))
    alice.ask_to_join(name, x=padding)
    alice.expect(response(isConnected=True))
    alice.joined = True


@case("limits.whitespace-not-counted", "LIMIT-2", needs=TALK, risk=Risk.FRAMING)
def whitespace_not_counted(room: Room) -> None:
    """A server MUST NOT count whitespace between frames as part of a frame."""
    alice, bob = room.join("alice"), room.join("bob")
    for count in (CLIENT_FRAME, 150_000):
        text = room.text()
        alice.send(b" " * count + frame_of(text) + b"\n")
        bob.expect(message(text), permitted=f"a frame behind {count:,} spaces is relayed")


@case("limits.relayed-in-full", "LIMIT-6", needs=SAY)
def relayed_in_full(room: Room) -> None:
    """A server MUST NOT reject a message for its size that came in a frame of at most 4,096
    octets."""
    alice, bob = room.join("alice"), room.join("bob")
    for filler in ("x", "\u00e9", "\n", "\u20ac", "\U0001f600", '"', "\u007f"):
        text = room.text()
        frame = {"message": text, "sender": alice.username, "dm": None}
        spare = CLIENT_FRAME - len(_utf8(frame))
        each = len(_utf8({"": filler})) - len(_utf8({"": ""}))
        text += filler * (spare // each)
        alice.send(_utf8({**frame, "message": text}) + b"\n")
        bob.expect(message(text), permitted=f"{spare // each} times {filler!r} is relayed")


def _utf8(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


@case("limits.too-large-to-relay", "LIMIT-7", "REJECT-6", needs=TALK, risk=Risk.DEADLY)
def too_large_to_relay(room: Room) -> None:
    """A server MUST treat a message whose relayed frame would be larger than 32,768 octets as a
    rejection."""
    alice, bob = room.join("alice"), room.join("bob")
    room.settle()
    alice.forget()
    text = room.text("large") + "x" * SERVER_FRAME
    alice.say(text)
    room.settle()
    if alice.ended or alice.has(disconnect()):
        room.not_applicable("the server takes no frames so large that this can happen")
    text_of = message().with_words(text[:40])
    sentinel = alice.sentinel_to(bob)
    sentinel.cause()
    room.wait(lambda: bob.has(text_of) or sentinel.arrived() or alice.ended is not None)
    if bob.has(text_of):
        room.fail("a message that would become too large is not relayed", "it was relayed")
        raise FailureError
    if alice.ended:
        room.not_applicable("the server takes no frames so large that this can happen")
    room.stop_unless(sentinel.arrived(), "the fence at bob didn't come")
    room.proved.add("LIMIT-7")
    found = alice.wait_for(told(alice.username), room.session.patience.answer / 8)
    room.claim(found is not None, "a notice to the sender", "there was none", req="REJECT-6")


def _nested(depth: int) -> object:
    value: object = "x"
    for level in range(depth - 1):
        value = [value] if level % 2 else {"a": value}
    return value


@case("limits.depth", "LIMIT-8", needs=SAY, risk=Risk.FRAMING)
def depth(room: Room) -> None:
    """An endpoint MUST accept a frame with a nesting depth of up to 16."""
    alice, bob = room.join("alice"), room.join("bob")
    text = room.text()
    alice.say(text, x=_nested(DEPTH))
    bob.expect(message(text))


@case("limits.too-deep", "LIMIT-9", needs=TALK, risk=Risk.DEADLY)
def too_deep(room: Room) -> None:
    """An endpoint MUST treat a frame that is nested deeper than its limit as a violation."""
    room.bystanders()
    bob = room.join("bob")
    for levels in (1500, 20_000):
        alice = room.join("alice")
        alice.spoilt = True
        text = room.text()
        head = frame_of(text)[:-1] + b', "x": '
        alice.send(head + b"[" * levels + b"]" * levels + b"}\n")
        room.wait(lambda a=alice, t=text: a.ended or a.has(disconnect()) or bob.has(message(t)))  # type: ignore[misc]
        accepted = bob.has(message(text))
        struck = alice.ended is not None or alice.has(disconnect())
        room.claim(
            accepted or struck,
            f"a frame {levels:,} deep is accepted, or is a violation",
            "neither came of it",
        )
    room.bystander_unharmed()


@case("limits.queue", "LIMIT-10", needs=(*GLUE, "framing.cut"), risk=Risk.DEADLY)
def queue(room: Room) -> None:
    """A server MUST NOT cut off a client for what is queued for it while that is less than 65,536
    octets."""
    slow, bob, carol = room.join("slow", narrow=True), room.join("bob"), room.join("carol")
    room.settle()
    slow.forget()
    texts = fill(room, bob, slow, QUEUE)
    carol.reach(bob.sentinel_to(carol), carol.bulk)
    slow.resume()
    slow.expect(
        message(texts[-1]),
        permitted="who reads late gets all that was queued",
        within=slow.bulk,
    )
    heard = [text for text in texts if slow.place_of(message(text)) is not None]
    room.claim(len(heard) == len(texts), "all of it", f"{len(heard)} of {len(texts)} came")


def fill(room: Room, sender: Client, slow: Client, octets: int) -> list[str]:
    """Say less than `octets` in all, as relayed, to somebody who doesn't read meanwhile."""
    slow.pause()
    texts: list[str] = []
    # A relayed frame: two names, a text, and at most 200 octets around them.
    left = octets
    while True:
        text = room.text("queued") + "x" * 1500
        left -= len(text) + len(sender.username) + len(slow.username) + 200
        if left < 0:
            return texts
        texts.append(text)
        sender.tell(slow, text)


@case("limits.stalled-delays-nobody", "ROBUST-3", needs=(*GLUE, "framing.cut"), risk=Risk.DEADLY)
def stalled_delays_nobody(room: Room) -> None:
    """A server MUST NOT let a client that does not read what it is sent delay what others are
    sent."""
    slow, bob, carol = room.join("slow", narrow=True), room.join("bob"), room.join("carol")
    fill(room, bob, slow, 4 * QUEUE)
    text = room.text()
    bob.tell(carol, text)
    carol.expect(message(text), permitted="who talks to somebody who doesn't read is served")
    # Now all of it has been processed, and whatever can wait for the reader waits.
    text = room.text()
    carol.say(text)
    bob.expect(message(text), permitted="others are served while somebody doesn't read")
    slow.resume()


@case("limits.endless-frame", "LIMIT-3", "LIMIT-4", needs=TALK, disruptive=True, risk=Risk.FLOOD)
def endless_frame(room: Room) -> None:
    """A server MUST treat a client frame as a violation when as many of its octets as the limit
    have come and the last of them does not complete it."""
    bob = room.join("bob")
    alice = room.join("alice")
    alice.spoilt = True
    text = room.text()
    alice.send(frame_of(text)[:-1] + b', "x": "')
    chunk = b"x" * 65536
    for _ in range(HUGE // len(chunk)):
        if alice.ended or alice.has(disconnect()):
            return
        alice.send(chunk)
        room.wait(lambda: False, 0.0)
    if room.wait(lambda: alice.ended is not None or alice.has(disconnect())):
        return
    alice.send(b'"}\n')
    room.wait(lambda: alice.ended is not None or bob.has(message(text)), alice.bulk)
    if bob.has(message(text)):
        room.fail("a limit on the size of a client frame", f"{HUGE:,} octets taken", req="LIMIT-4")
    else:
        room.fail(
            "a violation once the limit's worth of octets has come",
            f"nothing until {HUGE:,} octets were complete",
            req="LIMIT-3",
        )
    raise FailureError


@case("limits.cut-off", "ROBUST-4", needs=TALK, disruptive=True, risk=Risk.FLOOD)
def cut_off(room: Room) -> None:
    """A server MUST cut off a client when more is queued for it than the server's limit."""
    slow, bob, carol = room.join("slow", narrow=True), room.join("bob"), room.join("carol")
    room.settle()
    carol.forget()
    gone = about(slow.username).but_not("sentinel")
    sent, step = 0, 16 * QUEUE
    while sent < 4 * HUGE:
        fill(room, bob, slow, step)
        sent += step
        carol.reach(bob.sentinel_to(carol), carol.bulk)
        if carol.has(gone):
            return
    carol.expect(gone, permitted=f"who reads nothing of {sent:,} octets is cut off, and has left")


@case("limits.sixteen", "LIMIT-12", needs=TALK, disruptive=True, risk=Risk.FLOOD)
def sixteen(room: Room) -> None:
    """A server MUST accept at least 16 joined clients at a time."""
    room.may_be_full = True
    people: list[Client] = []
    for number in range(CLIENTS):
        person, from_elsewhere = _from_elsewhere(room, number)
        person.ask_to_join(room.name("p"))
        answer = person.must_get(response())
        person.joined = answer["isConnected"] is True
        if not person.joined and room.session.strangers:
            raise InconclusiveError("strangers are in the room, and it got full")
        if not (person.joined or from_elsewhere):
            raise InconclusiveError(
                f"client {number + 1} of 16 was refused, perhaps because all came from one address;"
                " to find out, test the server on the machine that it runs on, by 127.0.0.1"
            )
        if not room.claim(person.joined, f"client {number + 1} of 16 is accepted", answer):
            raise FailureError
        people.append(person)
    text = room.text()
    people[0].say(text)
    for person in people[1:]:
        person.expect(message(text), req="DELIV-1", permitted="all of 16 hear one of them")


def _from_elsewhere(room: Room, number: int) -> tuple[Client, bool]:
    """A connection from an address that no other number has, and whether that was possible.

    How many may come from one address is the server's own choice (LIMIT-13).
    """
    label = f"p{number + 1}"
    if _is_loopback(room.session.address.host):
        with contextlib.suppress(InconclusiveError):
            return room.connect(label, source=f"127.0.1.{number + 1}"), True
    return room.connect(label), False


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.IPv4Address(socket.gethostbyname(host)).is_loopback
    except OSError:
        return False


def _fill_room(room: Room) -> Client:
    """Let people join until the room is full; gives somebody who has joined."""
    room.may_be_full = True
    room.bystanders()
    first = room.join("first")
    for number in range(CROWD):
        person = room.connect(f"crowd{number}")
        person.ask_to_join(room.name("crowd"))
        answer = person.must_get(response())
        person.joined = answer["isConnected"] is True
        if not person.joined:
            return first
    room.not_applicable(f"{CROWD} clients don't fill it")
    return first


@case("limits.full", "JOIN-5", needs=TALK, disruptive=True, risk=Risk.FLOOD)
def full(room: Room) -> None:
    """A server MUST refuse a join that it cannot take because it is full, with code 2."""
    _fill_room(room)
    raw = room.connect("one too many")
    raw.ask_to_join(room.name("late"))
    claim_code(room, raw.wait_for(response()), 2, "a join to a full room")


@case("limits.which-code", "JOIN-8", needs=TALK, disruptive=True, risk=Risk.FLOOD)
def which_code(room: Room) -> None:
    """A server MUST use the first code of 4, 3, 1, 2 that applies when it refuses a join to which
    several apply."""
    first = _fill_room(room)
    silent = room.connect("silent")
    room.settle()
    if silent.wait_for(response(), room.session.patience.answer / 4):
        room.not_applicable("the server is full before a join has come, and refuses none")
    for username, code in ((5, 4), ("", 3), (first.username, 1)):
        raw = room.connect("second")
        raw.ask_to_join(username)
        claim_code(room, raw.wait_for(response()), code, f"{username!r} in a full room")


@case("limits.time-to-join", "LIMIT-11", needs=TALK, timed=True)
def time_to_join(room: Room) -> None:
    """A server MUST wait for a join for at least 10 seconds after the connection was made."""
    raw = room.connect("late")
    room.wait(lambda: raw.ended is not None or bool(raw.unread), JOIN_SECONDS - 0.5)
    raw.ask_to_join(room.name("late"))
    raw.expect(response(isConnected=True), permitted="a join after 9.5 seconds is granted")
    raw.joined = True
