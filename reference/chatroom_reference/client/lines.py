"""A line of the conversation: what is shown of a message, wherever it is shown."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from enum import Enum

from attrs import frozen

from chatroom_protocol import ServerMessage
from chatroom_reference.client.text_safety import harmless, harmless_name

_DATE = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[ Tt](\d\d):(\d\d):(\d\d)(?:\.\d+)?([Zz]|[+-]\d\d:\d\d)?", re.ASCII
)


class Kind(Enum):
    """What a line is; every view shows each kind in its own way."""

    TALK = "talk"
    PRIVATE = "private"
    NOTICE = "notice"
    PRESENCE = "presence"
    LOCAL = "local"


@frozen
class Line:
    """One line of the conversation, with all text already harmless.

    Attributes:
        kind: what it is.
        clock: when, ``HH:MM`` in local time.
        sender: the name as it was sent, for its colour; empty where nobody speaks.
        name: the name as it is shown.
        to: whom a private text is for, as shown; None for everyone.
        text: what is said; it may have several lines.
        own: whether this user said it.
    """

    kind: Kind
    clock: str
    sender: str
    name: str
    to: str | None
    text: str
    own: bool = False

    @property
    def is_news(self) -> bool:
        """Whether somebody else said something to be read."""
        return self.kind in (Kind.TALK, Kind.PRIVATE, Kind.NOTICE) and not self.own


class Presenter:
    """Makes lines of messages."""

    def __init__(self, *, emoji: bool = True) -> None:
        """``emoji`` False spells emoji out."""
        self._emoji = emoji

    def name(self, name: str) -> str:
        """Give a name as it is shown."""
        return harmless_name(name, emoji=self._emoji)

    def received(self, message: ServerMessage, me: str, now: datetime) -> Line:
        """Make a line of what the server sent; ``now`` stands in for an unreadable date."""
        clock = clock_of(message.date) or now.strftime("%H:%M")
        name = self.name(message.sender) if message.sender else "server"
        if message.announces_join or message.announces_leave:
            text = f"{name} {'joined' if message.announces_join else 'left'}"
            return Line(Kind.PRESENCE, clock, message.sender, name, None, text)
        text = harmless(message.message.rstrip("\n"), emoji=self._emoji)
        if message.is_notice:
            return Line(Kind.NOTICE, clock, "", name, None, text)
        own = message.sender == me
        if message.is_private:
            to = self.name(message.dm or "")
            return Line(Kind.PRIVATE, clock, message.sender, name, to, text, own)
        return Line(Kind.TALK, clock, message.sender, name, None, text, own)

    def said(self, text: str, dm: str | None, me: str, now: datetime) -> Line:
        """Make a line of what this user just said."""
        return Line(
            kind=Kind.TALK if dm is None else Kind.PRIVATE,
            clock=now.strftime("%H:%M"),
            sender=me,
            name=self.name(me),
            to=None if dm is None else self.name(dm),
            text=harmless(text, emoji=self._emoji),
            own=True,
        )

    def local(self, text: str, now: datetime) -> Line:
        """Make a line of what the client itself has to say."""
        text = harmless(text, emoji=self._emoji)
        return Line(Kind.LOCAL, now.strftime("%H:%M"), "", "", None, text)


def clock_of(date: str) -> str | None:
    """Give a message's time of day, ``HH:MM``; None if ``date`` is no date.

    A date with an offset is turned into local time; one without, as original servers send it,
    is taken to be local already.
    """
    match = _DATE.fullmatch(date)
    if not match:
        return None
    try:
        moment = datetime(*map(int, match.groups()[:6]), tzinfo=_zone(match[7]))  # type: ignore[misc, arg-type]
        return (moment.astimezone() if moment.tzinfo else moment).strftime("%H:%M")
    except (ValueError, OverflowError, OSError):
        return None


def _zone(offset: str | None) -> timezone | None:
    if offset is None:
        return None
    if offset in "Zz":
        return timezone.utc
    minutes = int(offset[1:3]) * 60 + int(offset[4:6])
    return timezone(timedelta(minutes=-minutes if offset[0] == "-" else minutes))
