"""Extensions: asked for, granted, and never sent to who didn't ask."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..matches import (
    ANY,
    anything_but,
    joined,
    kind_of,
    left,
    message,
    pong,
    response,
    roster,
    short,
    told,
)
from ..registry import Risk, case
from ..vocabulary import Client, Room
from .common import GLUE, JOIN, TALK

LARGEST_ROSTER = 32768


def _asked(
    room: Room, extensions: object, label: str = "alice"
) -> tuple[Client, Mapping[str, Any]]:
    """Ask to join with this member `extensions`, and give the answer."""
    client = room.connect(label)
    client.ask_to_join(room.name(label), extensions=extensions)
    answer = client.must_get(response())
    client.joined = answer["isConnected"] is True
    return client, answer


def _plain(room: Room) -> Mapping[str, Any]:
    """The answer to a join that asks for nothing."""
    plain = room.connect("plain")
    plain.ask_to_join(room.name("plain"))
    answer = plain.must_get(response())
    plain.joined = True
    return answer


def _granted(room: Room, extension: str, label: str = "alice") -> Client:
    client = room.join(label, extensions=[extension])
    if extension not in client.granted:
        room.not_applicable(f"the server doesn't grant {extension}")
    return client


@case("extensions.none-granted", "EXT-1", needs=JOIN)
def none_granted(room: Room) -> None:
    """A server MUST NOT send the member `extensions` in a join response that grants no
    extension."""
    answer = _plain(room)
    room.claim(answer.get("extensions") != [], "no member extensions", answer)
    for asked in ([], ["x-nobody-has-this"]):
        _, answer = _asked(room, asked)
        room.claim(answer.get("extensions") != [], f"no extensions, {asked} asked for", answer)


@case("extensions.only-what-was-asked", "EXT-2", needs=JOIN)
def only_what_was_asked(room: Room) -> None:
    """A server MUST NOT grant an extension that the client did not ask for."""
    answer = _plain(room)
    room.claim(not answer.get("extensions"), "nothing granted, nothing asked for", answer)
    for asked in ([], ["ping"], ["roster"], ["Roster", "PING"]):
        _, answer = _asked(room, asked)
        names = answer.get("extensions", [])
        extra = [name for name in names if name not in asked] if isinstance(names, list) else []
        room.claim(not extra, f"of {asked} at most", f"granted {extra} besides")


@case("extensions.malformed", "EXT-4", needs=JOIN, risk=Risk.DEADLY)
def malformed(room: Room) -> None:
    """A server MUST take `extensions` that is not an array, or has an element that is no string,
    as asking for no extension."""
    for asked in ("ping", None, 5, True, {}, {"ping": True}, ["ping", 5], [["ping"]], [None]):
        client, answer = _asked(room, asked)
        room.claim(client.joined, f"a join with extensions {asked!r} is granted", answer)
        room.claim(not answer.get("extensions"), f"{asked!r} asks for none", answer)


@case("extensions.unknown-ignored", "EXT-5", needs=JOIN)
def unknown_ignored(room: Room) -> None:
    """A server MUST ignore names in `extensions` that it does not know."""
    _, known = _asked(room, ["ping", "roster"])
    unknown = ["x-nobody-has-this", "", "telepathy"]
    client, answer = _asked(room, [unknown[0], "ping", unknown[1], "roster", unknown[2]])
    room.claim(client.joined, "a join with unknown extensions is granted", answer)
    granted = answer.get("extensions", [])
    room.claim(
        isinstance(granted, list) and set(map(str, granted)) == set(known.get("extensions", [])),
        "the same is granted as without the unknown names",
        answer,
    )


@case("extensions.decision", "EXT-9", needs=(*TALK, "refusals.answered", "joining.taken"))
def decision(room: Room) -> None:
    """A server MUST decide on a join regardless of the extensions that it asks for."""
    owner = room.join("owner")
    for asked in ([], ["ping"], ["roster"], ["roster", "ping"], ["x-a"], ["ping"] * 50):
        client, answer = _asked(room, asked)
        room.claim(client.joined, f"a join that asks for {asked[:4]} is granted", answer)
        raw = room.connect("second")
        raw.ask_to_join(owner.username, extensions=asked)
        refusal = raw.must_get(response())
        room.claim(
            refusal["isConnected"] is not True,
            f"a name that is taken stays taken for who asks for {asked[:4]}",
            refusal,
        )


@case("extensions.not-granted-ignored", "EXT-6", needs=TALK, risk=Risk.DEADLY)
def not_granted_ignored(room: Room) -> None:
    """A server MUST ignore frames of an extension that the client was not granted."""
    alice, bob = room.join("alice"), room.join("bob")
    room.settle()
    alice.forget()
    frames: tuple[Mapping[str, object], ...] = (
        {"ping": "token"},
        {"pong": "token"},
        {"ping": 5},
        {"roster": []},
    )
    for frame in frames:
        alice.frame(frame)
        room.settle()
        text = room.text("sentinel")
        alice.tell(bob, text)
        bob.expect(message(text), permitted=f"who sends {frame} stays joined")
        alice.never(anything_but().but_not("sentinel"), until=bob.sentinel_to(alice))


@case("extensions.roster-next", "ROSTER-1", needs=JOIN)
def roster_next(room: Room) -> None:
    """A server that grants `roster` MUST send a roster frame as the next frame after the join
    response."""
    alice = _granted(room, "roster")
    alice.wait_for(roster())
    place = alice.place_of(response())
    assert place is not None
    behind = [frame.value or {} for frame in alice.log[place + 1 :]]
    right = bool(behind) and kind_of(behind[0]) == "roster"
    room.claim(right, "a roster frame", f"the next frame is {short(behind[:1])}")


def _names(client: Client) -> list[str]:
    names = client.must_get(roster())["roster"]
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []


@case("extensions.roster-complete", "ROSTER-2", needs=(*JOIN, "extensions.roster-next"))
def roster_complete(room: Room) -> None:
    """A server MUST list the usernames of all joined clients, the new one included, each once, in
    a roster."""
    bob, carol = room.join("bob"), room.join_if_may("carol", "c\u00e4rol \U0001f600")
    gone = room.join("gone")
    gone.leave()
    gone.wait_end()
    second = room.connect("refused")
    second.ask_to_join(bob.username)
    second.wait_for(response())
    room.connect("unjoined")
    alice = _granted(room, "roster")
    names = alice.must_get(roster())["roster"]
    room.claim(isinstance(names, list), "an array", names)
    if not isinstance(names, list):
        return
    for person in (alice, bob, carol):
        count = names.count(person.username)
        room.claim(count == 1, f"{person.label} once", f"{person.label} {count} times")
    room.claim(gone.username not in names, "nobody who left", "somebody who had left")
    ours = [name for name in names if isinstance(name, str) and room.token in name]
    room.claim(len(ours) == 3, "nobody who isn't there", f"{len(ours)} of our 3 people")
    room.claim(all(isinstance(name, str) for name in names), "strings", "something else")


@case(
    "extensions.roster-once",
    "ROSTER-3",
    needs=TALK,
    control="extensions.roster-next",
)
def roster_once(room: Room) -> None:
    """A server MUST NOT send more than one roster on a connection."""
    alice = _granted(room, "roster")
    alice.must_get(roster())
    bob = room.join("bob")
    room.join("carol").leave()
    alice.never(roster(), until=bob.sentinel_to(alice))


@case(
    "extensions.roster-kept-true",
    "ROSTER-4",
    needs=(*TALK, "extensions.roster-complete", "joining.announced", "leaving.announcement"),
)
def roster_kept_true(room: Room) -> None:
    """A server MUST announce every join and leave after those that a roster reflects, and none
    that it reflects, to the client that received it."""
    bob = room.join("bob")
    early = [room.connect(f"early{number}") for number in range(4)]
    alice = room.connect("alice")
    for number, person in enumerate(early):
        person.ask_to_join(room.name("early"))
        if number == 1:
            alice.ask_to_join(room.name("alice"), extensions=["roster"])
    answer = alice.must_get(response())
    alice.joined = True
    for person in early:
        person.joined = person.must_get(response())["isConnected"] is True
    if "roster" not in answer.get("extensions", []):
        room.not_applicable("the server doesn't grant roster")
    names = _names(alice)
    leaver = early[0]
    leaver.leave()
    leaver.wait_end()
    late = room.join("late")
    room.settle()
    alice.reach(bob.sentinel_to(alice))
    room.claim(alice.has(joined(late.username)), "joins after the roster", "one is missing")
    for person in early:
        listed, told_of = person.username in names, alice.has(joined(person.username))
        room.claim(
            listed != told_of,
            "each name in the roster, or announced after it, and not both",
            f"{person.label}: listed {listed}, announced {told_of}",
        )
    room.claim(not alice.has(joined(bob.username)), "no join that the roster has", "bob's again")
    room.claim(alice.has(left(leaver.username)), "leaves after the roster", "one is missing")


@case("extensions.ping-answered", "PING-1", needs=JOIN)
def ping_answered(room: Room) -> None:
    """A server MUST answer a ping of a client that was granted `ping` with a pong that has the
    same token."""
    alice = _granted(room, "ping")
    for token in ("1", "", room.text("token"), "gr\u00fc\u00dfe \U0001f600", "\U0001f600" * 64):
        alice.frame({"ping": token})
        alice.expect(pong(token), permitted=f"a pong with the token {short(token)}")


@case("extensions.ping-answered-once", "PING-2", needs=TALK, control="extensions.ping-answered")
def ping_answered_once(room: Room) -> None:
    """A server MUST NOT send more than one pong for a ping."""
    alice, bob = _granted(room, "ping"), room.join("bob")
    token = room.text("token")
    alice.frame({"ping": token})
    alice.must_get(pong(token))
    room.settle()
    alice.never(pong(), until=bob.sentinel_to(alice))


@case("extensions.ping-malformed", "PING-3", "PING-4", needs=TALK, risk=Risk.DEADLY)
def ping_malformed(room: Room) -> None:
    """A server MUST treat a ping of a client that was granted `ping` whose token is not a string,
    or has more than 64 code points, as a rejection."""
    bob = room.join("bob")
    tokens: tuple[object, ...] = (5, None, True, [], {}, "x" * 65, "\U0001f600" * 65)
    for token in tokens:
        alice = _granted(room, "ping")
        room.settle()
        alice.forget()
        alice.frame({"ping": token})
        room.settle()
        text = room.text()
        alice.tell(bob, text)
        bob.expect(message(text), permitted=f"who sends the token {short(token)} stays joined")
        notice = alice.wait_for(told(alice.username), room.session.patience.answer / 8)
        room.claim(notice is not None, "a notice to the sender", "there was none", req="PING-4")
        alice.never(pong(ANY), until=bob.sentinel_to(alice))


@case("extensions.pong-ignored", "PING-5", needs=TALK, risk=Risk.DEADLY)
def pong_ignored(room: Room) -> None:
    """A server MUST ignore a pong that it did not ask for."""
    alice, bob = _granted(room, "ping"), room.join("bob")
    room.settle()
    alice.forget()
    for token in ("token", 5, None, "x" * 65):
        alice.frame({"pong": token})
        room.settle()
        text = room.text("sentinel")
        alice.tell(bob, text)
        bob.expect(message(text), permitted=f"who sends the pong {short(token)} stays joined")
        alice.never(anything_but("ping").but_not("sentinel"), until=bob.sentinel_to(alice))


@case(
    "extensions.pong-in-order",
    "PING-6",
    needs=(*GLUE, "extensions.ping-answered", "private.oneself"),
    risk=Risk.FRAMING,
)
def pong_in_order(room: Room) -> None:
    """A server MUST send the pong after the frames that earlier frames of the same client cause
    to be sent to that client."""
    alice = _granted(room, "ping")
    texts, tokens = [], []
    for _ in range(10):
        texts.append(room.text())
        tokens.append(room.text("token"))
        alice.tell(alice, texts[-1])
        alice.frame({"ping": tokens[-1]})
    alice.must_get(pong(tokens[-1]))
    alice.wait_for(message(texts[-1]))
    for text, token in zip(texts, tokens, strict=True):
        own, answer = alice.place_of(message(text)), alice.place_of(pong(token))
        room.stop_unless(own is not None and answer is not None, "a frame is missing")
        assert own is not None
        assert answer is not None
        room.claim(own < answer, "the pong behind what was caused before the ping", "before it")


@case("extensions.roster-too-large", "ROSTER-5", needs=TALK, disruptive=True, risk=Risk.FLOOD)
def roster_too_large(room: Room) -> None:
    """A server MUST NOT grant `roster` to a join when the roster frame would be larger than
    32,768 octets."""
    _granted(room, "roster", "first")
    people = LARGEST_ROSTER // 160 + 1
    for number in range(people):
        name = room.name("r")
        name += "\U0001f600" * (64 - len(name))
        person = room.connect(f"r{number}")
        person.ask_to_join(name)
        answer = person.must_get(response())
        person.joined = answer["isConnected"] is True
        if not person.joined:
            room.not_applicable(f"the room doesn't take {people} people")
    late, last = _asked(room, ["roster"], "late")
    room.claim(late.joined, "the join itself is granted", last)
    room.claim("roster" not in last.get("extensions", []), "roster isn't granted", "it was granted")
