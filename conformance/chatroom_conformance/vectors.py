"""Plays the test vectors of the specification: octets, and what may come of them.

Each vector for servers is a case. It judges the gist of what it sees: who was let in or refused,
what was relayed to whom, which pings were answered, who was let go. The members of those frames
have cases of their own, so that a fault is blamed once.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from attrs import define, evolve, field, frozen

from .matches import disconnect, joined, kind_of, message, response, short
from .reader import Frame, Reader
from .registry import CASES, Body, Case, Risk
from .requirements import requirements, spec_folder
from .vocabulary import Client, InconclusiveError, Room

#: Needed by every vector, and by those whose courses have such a reaction.
NEEDS = (
    "framing.together",
    "joining.granted",
    "joining.announced",
    "messages.everyone",
    "messages.sender-not-believed",
    "private.addressee",
    "joining.not-announced-to-oneself",
    "joining.announced-once",
)
_NEEDS_OF = {
    "relay": ("delivery.once", "delivery.not-to-sender", "private.nobody-else"),
    "pong": ("extensions.ping-answered", "extensions.ping-answered-once"),
    "refuse": ("refusals.answered", "refusals.rest-discarded"),
    "close": ("refusals.answered",),
    "reject": ("rejections.message-no-string", "rejections.dm-no-string", "rejections.nobody"),
    "violation": ("violations.nothing-relayed", "violations.rest-discarded"),
    "leave": ("closing.rest-discarded",),
}
#: Needed where something is relayed before the connection ends in that way.
_NEEDS_BEFORE = {
    "violation": "delivery.before-violation",
    "leave": "delivery.before-disconnect",
    "end": "delivery.before-end-of-stream",
}
#: Requirements that are about the code of a refusal: they are blamed for a wrong one.
_CODES = ("JOIN-4", "JOIN-6", "JOIN-7", "REFUSE-1", "REFUSE-2")
_ABOUT_CODE = {1: "JOIN-4", 3: "JOIN-6", 4: "REFUSE-2"}
_ONE_READ = 1000
_TAKEN, _NOT_ACCEPTABLE = 1, 3
#: What part of an answer's time passes before somebody who has to be let go is asked to talk.
_SOON = 0.125
_CLOSING = frozenset({"refuse", "violation", "leave", "end", "close"})


@frozen
class Vector:
    """One vector of a file for servers, as it stands there."""

    id: str
    state: str
    input: Any
    allowed: tuple[tuple[Mapping[str, Any], ...], ...]
    reason: str
    requirements: tuple[str, ...]
    granted: tuple[str, ...] = ()
    cut: str = "one"
    end: bool = False
    flags: frozenset[str] = frozenset()


@cache
def vectors() -> tuple[Vector, ...]:
    """All vectors for servers, in the order of their files."""
    return tuple(_read())


def _read() -> Iterator[Vector]:
    for path in sorted((spec_folder() / "vectors").glob("*.json")):
        document = json.loads(path.read_text(encoding="utf-8"))
        if document.get("receiver") != "server":
            continue
        for entry in document["vectors"]:
            yield Vector(
                id=entry["id"],
                state=entry["state"],
                input=entry["input"],
                allowed=tuple(tuple(course) for course in entry["allowed"]),
                reason=entry["reason"],
                requirements=tuple(entry["requirements"]),
                granted=tuple(entry.get("granted", ())),
                cut=entry.get("cut", "one"),
                end=bool(entry.get("end")),
                flags=frozenset(entry.get("flags", ())),
            )


@cache
def vector_cases() -> tuple[Case, ...]:
    """A case for each vector."""
    return tuple(_cases())


def _cases() -> Iterator[Case]:
    for vector in vectors():
        yield Case(
            id=f"vectors.{vector.id}",
            body=_body(vector),
            requirements=tuple(dict.fromkeys((vector.requirements[0], *_codes_of(vector)[:1]))),
            needs=_needs(vector),
            risk=Risk.DEADLY,
            residents=True,
            alone=_has_names_of_its_own(vector),
            about=vector.reason,
        )


def _codes_of(vector: Vector) -> list[str]:
    """Who is to blame for a refusal with a wrong code, the likeliest first."""
    named = [name for name in vector.requirements if name in _CODES]
    codes = [c for course in vector.allowed for step in course for c in step.get("codes", ())]
    return named + [_ABOUT_CODE[code] for code in codes if code in _ABOUT_CODE]


def _needs(vector: Vector) -> tuple[str, ...]:
    """What has to work so that a failure is the fault of what the vector is about."""
    needs = list(NEEDS)
    for course in vector.allowed:
        done = [step["do"] for step in course]
        needs += [name for do in done for name in _NEEDS_OF.get(do, ())]
        if "relay" in done:
            needs += [name for do, name in _NEEDS_BEFORE.items() if do in done]
            needs += _needs_of_members(vector)
        if "leave" in done:
            needs.append("leaving.sender-of-any-type")
            needs += ["leaving.sender-ignored"] if b'"sender"' in _octets(vector) else []
        if "join" in done and len(done) > 1:
            needs.append("joining.frames-behind")
    needs += _needs_of_octets(vector)
    own = {case for case in needs if vector.requirements[0] == CASES[case].requirements[0]}
    return tuple(name for name in dict.fromkeys(needs) if name not in own or name in NEEDS)


def _needs_of_members(vector: Vector) -> Iterator[str]:
    values = [
        frame.value
        for frame in _frames(_octets(vector))
        if frame.value and "message" in frame.value
    ]
    if not values or any("dm" not in value for value in values):
        yield "messages.dm-absent"
    if not values or any("sender" not in value for value in values):
        yield "messages.other-members-ignored"
    if any(step.get("to") == "self" for course in vector.allowed for step in course):
        yield "private.oneself"


def _needs_of_octets(vector: Vector) -> Iterator[str]:
    octets = _octets(vector)
    if vector.end:
        yield "leaving.end-of-stream-closed"
    if b'"extensions"' in octets:
        yield "extensions.unknown-ignored"
    if b"\r" in octets:
        yield "framing.whitespace-between"
    # A long input comes in several reads however it is sent.
    if vector.cut != "one" or len(octets) > _ONE_READ:
        yield from ("framing.cut", "framing.byte-by-byte")
    if b"}{" in octets:
        yield "framing.glued"
    frames = [item for item in Reader().feed(octets) if isinstance(item, Frame)]
    if any(b"\n" in frame.raw for frame in frames):
        yield "framing.whitespace-inside"


@cache
def _frames(octets: bytes) -> list[Frame]:
    return [item for item in Reader().feed(octets) if isinstance(item, Frame)]


def _octets(vector: Vector) -> bytes:
    return b"".join(pieces(vector.input, dict.fromkeys(("self", "other", "nobody"), "x")))


def _has_names_of_its_own(vector: Vector) -> bool:
    """Whether somebody joins under a name that isn't unique to the run."""
    joins = [step for course in vector.allowed for step in course if step["do"] == "join"]
    return any("'name': 'self'" not in str(step["username"]) for step in joins)


def _body(vector: Vector) -> Body:
    def play(room: Room) -> None:
        _Player(vector, room).play()

    play.__doc__ = requirements()[vector.requirements[0]].text
    return play


# ---- octets


def pieces(value: Any, names: Mapping[str, str]) -> list[bytes]:
    """The octets of an input, piece by piece."""
    return [_piece(part, names) for part in ([value] if isinstance(value, str) else value)]


def _piece(part: Any, names: Mapping[str, str]) -> bytes:
    if isinstance(part, str):
        return part.encode()
    if "hex" in part:
        once = bytes.fromhex(part["hex"])
    else:
        once = (names[part["name"]] if "name" in part else str(part["text"])).encode()
    return once * int(part.get("times", 1))


def text_of(value: Any, names: Mapping[str, str]) -> str:
    """A text of a reaction."""
    return b"".join(pieces(value, names)).decode()


# ---- what is seen, and what may be


@define
class Seen:
    """The gist of what came of a vector, or of what a course wants."""

    joined: str | None = None
    refused: bool = False
    code: object = None
    ended: bool = False
    to_other: list[str] = field(factory=list)
    to_self: list[str] = field(factory=list)
    pongs: list[object] = field(factory=list)

    def __str__(self) -> str:
        """What happened, in words."""
        said = [f"{short(text)} relayed to the other" for text in self.to_other]
        said += [f"{short(text)} relayed to the sender" for text in self.to_self]
        said += [f"a pong {short(token)}" for token in self.pongs]
        if self.joined is not None:
            said.insert(0, f"a join under {short(self.joined)}")
        if self.refused:
            said.append(f"a refusal with code {self.code}")
        if self.ended and not self.refused:
            said.append("the connection ended")
        return ", ".join(said) or "nothing"


def wanted(course: Sequence[Mapping[str, Any]], names: Mapping[str, str]) -> tuple[Seen, list[int]]:
    """The gist of a permitted course, and the codes that a refusal in it may have."""
    seen, codes = Seen(), []
    for step in course:
        do = step["do"]
        if do == "join":
            seen.joined = text_of(step["username"], names)
        elif do == "relay":
            text = text_of(step["message"], names)
            if step["to"] == "self":
                seen.to_self.append(text)
            else:
                seen.to_other.append(text)
        elif do == "pong":
            seen.pongs.append(text_of(step["token"], names))
        elif do == "refuse":
            seen.refused, codes = True, list(step["codes"])
        seen.ended = seen.ended or do in _CLOSING
    return seen, codes


class _Player:
    def __init__(self, vector: Vector, room: Room) -> None:
        self.vector = vector
        self.room = room
        self.other, _ = room.residents()
        self.names = {
            "self": self._plain_name("self"),
            "other": self.other.username,
            "nobody": self._plain_name("nobody"),
        }
        self.courses = [(*wanted(course, self.names), course) for course in vector.allowed]
        for seen, _, _ in self.courses:
            if seen.joined is not None:
                room.own(seen.joined)
        self.mine = self._begin()

    def _plain_name(self, who: str) -> str:
        return self.room.own(self.room.name(who).replace("-", ""))

    def _begin(self) -> Client:
        granted = list(self.vector.granted)
        if self.vector.state == "waiting":
            return self.room.connect("self")
        if not granted:
            return self.room.join("self", self.names["self"])
        client = self.room.join("self", self.names["self"], extensions=granted)
        if not client.granted >= set(granted):
            self.room.not_applicable(f"the server doesn't grant {', '.join(granted)}")
        return client

    def play(self) -> None:
        """Send the octets, look at what comes, and compare it with each permitted course."""
        if self.mine.joined:
            self.other.must_get(joined(self.mine.username))
        elif _has_names_of_its_own(self.vector):
            # The last one under the same name may be just leaving.
            _, resident = self.room.residents()
            self.other.reach(resident.sentinel_to(self.other))
        self.mine.forget()
        self.other.forget()
        self._send()
        self._wait()
        self._judge(self._look())

    def _send(self) -> None:
        self.mine.spoilt = True
        parts = pieces(self.vector.input, self.names)
        if self.vector.cut == "one":
            self.mine.send(b"".join(parts))
        elif self.vector.cut == "octets":
            for octet in b"".join(parts):
                self.mine.send(bytes([octet]))
        else:
            for part in parts:
                self.mine.send(part)
                self.room.settle()
        if self.vector.end:
            self.mine.half_close()

    # ---- seeing

    def _wait(self) -> None:
        """Wait until what came is sure to be all there is.

        A message behind the octets tells: it is relayed behind all that they cause, or the
        connection ends. Where the connection has to end, the message is sent only when that takes
        its time.
        """
        mine, other = self.mine, self.other
        has_to_end = all(seen.ended for seen, _, _ in self.courses)
        soon = self.room.session.patience.answer * _SOON
        if not (has_to_end and self.room.wait(self._over, None if self.vector.end else soon)):
            if not self.vector.end:
                self._say_more()
            if mine.joined and not mine.spoilt:
                return
        # Nothing orders the fence of another sender behind what this one said: that is awaited.
        self.room.wait(self._all_relayed)
        _, resident = self.room.residents()
        other.reach(resident.sentinel_to(other))

    def _all_relayed(self) -> bool:
        relayed = self._look().to_other
        return any(seen.to_other == relayed for seen, _, _ in self.courses)

    def _say_more(self) -> None:
        """Say something behind the octets: who is served after them is somebody who stayed."""
        mine, other = self.mine, self.other
        fence = mine.sentinel_to(other)
        mine.send(b"\n")  # so that servers that take no glued frames take this one
        fence.cause()
        self.room.wait(lambda: fence.arrived() or self._over())
        if fence.arrived():
            mine.spoilt = False
            mine.joined = True
            mine.username = mine.username or self._announced()
            if self._may_hear() and mine.username:
                mine.reach(other.sentinel_to(mine))

    def _may_hear(self) -> bool:
        """Whether the one who sends the octets may get something for them."""
        hears = any(seen.to_self or seen.pongs for seen, _, _ in self.courses)
        return hears or bool(self.vector.granted) or self.vector.state == "waiting"

    def _over(self) -> bool:
        if self.mine.ended is not None or self.mine.has(disconnect()):
            return True
        return bool(self._response()) and self._response().get("isConnected") is not True

    def _response(self) -> Mapping[str, Any]:
        if self.vector.state != "waiting":
            return {}
        return next((f.value for f in self.mine.unread if response().fits(f) and f.value), {})

    def _look(self) -> Seen:
        answer = self._response()
        granted = answer.get("isConnected") is True
        name = self.names["self"]
        if self.vector.state == "waiting":
            name = self._announced() if granted else ""
        pongs = [frame.value for frame in self.mine.unread if frame.value]
        return Seen(
            joined=name if granted else None,
            refused=bool(answer) and not granted,
            code=answer.get("errorCode") if answer and not granted else None,
            ended=self._over(),
            to_other=_texts(self.other, name)[granted:],  # the first is the announcement
            to_self=_texts(self.mine, name),
            pongs=[value["pong"] for value in pongs if kind_of(value) == "pong"],
        )

    def _announced(self) -> str:
        """The name under which somebody joined, as the other heard of it."""
        heard = message("User has connected")
        values = [f.value for f in self.other.unread if heard.fits(f) and f.value]
        senders = [value.get("sender") for value in values]
        residents = [resident.username for resident in self.room.residents()]
        return next((s for s in senders if isinstance(s, str) and s not in residents), "")

    # ---- judging

    def _judge(self, seen: Seen) -> None:
        first = self.vector.requirements[0]
        if any(self._follows(seen, wanted, codes) for wanted, codes, _ in self.courses):
            self.room.proved.add(first)
            return
        if seen.refused and seen.code == _TAKEN:
            raise InconclusiveError("somebody else has the name that this vector needs")
        if "policy" in self.vector.flags and seen.refused and _by_policy(seen.code):
            self.room.not_applicable("the server refuses this name by a policy of its own")
        permitted = " or ".join(_in_words(*course) for course in self.courses)
        self.room.fail(permitted, str(seen), req=self._blamed(seen))

    def _follows(self, seen: Seen, wanted: Seen, codes: Sequence[int]) -> bool:
        if wanted.refused:
            return seen.refused and seen.code in codes
        if seen.refused:  # the course "close" leaves room for a refusal with any code
            return self.vector.state == "waiting" and wanted == Seen(ended=True)
        return seen == wanted

    def _blamed(self, seen: Seen) -> str:
        refused = any(wanted.refused for wanted, _, _ in self.courses)
        codes = _codes_of(self.vector)
        return codes[0] if seen.refused and refused and codes else self.vector.requirements[0]


def _texts(client: Client, name: str) -> list[str]:
    """What this client was told that the one with this name said."""
    if not name:
        return []
    values = [frame.value for frame in client.unread if frame.value]
    said = [v["message"] for v in values if kind_of(v) == "message" and v.get("sender") == name]
    aside = (f"{name} is offline", "sentinel ")
    return [text for text in said if isinstance(text, str) and not text.startswith(aside)]


def _in_words(wanted: Seen, codes: Sequence[int], course: Sequence[Mapping[str, Any]]) -> str:
    if wanted.refused:
        return str(evolve(wanted, code=" or ".join(map(str, codes))))
    if any(step["do"] == "reject" for step in course):
        return f"{wanted}, and a notice"
    return str(wanted)


def _by_policy(code: object) -> bool:
    return code == _NOT_ACCEPTABLE or (isinstance(code, int) and 1000 <= code <= 1999)
