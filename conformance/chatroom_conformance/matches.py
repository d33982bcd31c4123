"""Descriptions of frames to wait for, or to rule out: members with their exact values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from attrs import evolve, field, frozen

from .reader import Frame


class _Any:
    def __repr__(self) -> str:
        return "…"


#: Stands for a value of any kind, in a member that is there.
ANY: Final = _Any()


@frozen
class Match:
    """A frame that has at least these members. `name` says what it is, e.g. "a notice"."""

    name: str
    members: Mapping[str, object] = field(factory=dict)
    #: A further condition, for what exact members can't say.
    test: Callable[[Mapping[str, Any]], bool] | None = None

    def fits(self, frame: Frame) -> bool:
        """Whether a frame is one of these."""
        value = frame.value
        if value is None:
            return False
        if self.test and not self.test(value):
            return False
        return all(
            key in value and (expected is ANY or same(value[key], expected))
            for key, expected in self.members.items()
        )

    def also(self, **members: object) -> Match:
        """The same with more members."""
        return evolve(self, members={**self.members, **members})

    def but_not(self, words: str) -> Match:
        """The same, unless its text has these words."""
        before = self.test

        def test(value: Mapping[str, Any]) -> bool:
            return words not in str(value.get("message")) and (before is None or before(value))

        return evolve(self, test=test)

    def with_words(self, words: str) -> Match:
        """The same, if its text has these words."""
        return evolve(self, test=lambda value: words in str(value.get("message")))

    def __str__(self) -> str:
        """The name, and the members that are known exactly."""
        known = [f"{key} {short(value)}" for key, value in self.members.items() if value is not ANY]
        return f"{self.name} with {', '.join(known)}" if known else self.name

    @property
    def exact(self) -> dict[str, object]:
        """The members with a known value."""
        return {key: value for key, value in self.members.items() if value is not ANY}


def same(left: object, right: object) -> bool:
    """Equality of JSON values: `true` isn't 1."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    return left == right


def short(value: object, limit: int = 60) -> str:
    """A value for a sentence: as Python writes it, its middle left out when it is long."""
    text = repr(value)
    return text if len(text) <= limit else f"{text[: limit - 20]}…{text[-12:]}"


def message(text: object = ANY, **members: object) -> Match:
    """A message frame with this text."""
    return Match("a message frame", {"message": text, **members})


def response(**members: object) -> Match:
    """A join response."""
    return Match("a join response", {"isConnected": ANY, **members})


def notice() -> Match:
    """A message of the server's own."""
    return Match("a notice", {"message": ANY, "sender": ""})


def disconnect() -> Match:
    """The server's disconnect frame."""
    return Match("a disconnect frame", {"disconnect": ANY})


def joined(name: str) -> Match:
    """What tells of somebody's join."""
    return Match("a join notice", {"message": "User has connected", "sender": name})


def left(name: str) -> Match:
    """What tells of somebody's leave."""
    return Match("a leave notice", {"message": f"{name} is offline\n", "sender": name})


def about(name: str) -> Match:
    """Any message frame that names this user as its sender, or in its text or `dm`."""

    def names(value: Mapping[str, Any]) -> bool:
        return any(
            isinstance(value.get(key), str) and name in value[key]
            for key in ("sender", "message", "dm")
        )

    return Match(f"a message frame about {name!r}", {"message": ANY}, names)


def told(username: str) -> Match:
    """Whatever tells this user something in the server's own name, be it well-formed or not."""
    return Match(
        "a notice",
        {"message": ANY},
        lambda value: value.get("sender") == "" or value.get("dm") == username,
    )


def anything_but(*kinds: str) -> Match:
    """Any frame that is none of these kinds."""
    return Match("any frame", {}, lambda value: kind_of(value) not in kinds)


def roster() -> Match:
    """The list of who is there."""
    return Match("a roster frame", {"roster": ANY})


def pong(token: object = ANY) -> Match:
    """The answer to a ping."""
    return Match("a pong frame", {"pong": token})


#: In the order in which a member decides what a server's frame is.
_KINDS = (
    ("isConnected", "response"),
    ("disconnect", "disconnect"),
    ("message", "message"),
    ("roster", "roster"),
    ("ping", "ping"),
    ("pong", "pong"),
)


def kind_of(value: Mapping[str, Any]) -> str:
    """Which frame of a server's it is: "response", "message", ... or "unknown"."""
    for member, kind in _KINDS:
        if member in value:
            return kind
    return "unknown"
