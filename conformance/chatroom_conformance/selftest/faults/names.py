"""Faults in the rules of usernames."""

from __future__ import annotations

from collections.abc import Callable

from chatroom_protocol.errors import ErrorCode, ProtocolViolation, Refusal
from chatroom_protocol.frames import Join, username_fault
from chatroom_protocol.room import _Member, _Outbox

from ..fault import Fault
from ..host import Change, Connection, First, HostedRoom, Item, Peer


def _name(item: Item) -> str | None:
    name = item.get("username") if isinstance(item, dict) else None
    return name if isinstance(name, str) else None


def _granting(wrongly: Callable[[str], bool]) -> Change:
    """Grant names that are not acceptable, where the function says so."""

    def first(_: Connection, item: Item) -> Item | Join:
        name = _name(item)
        bad = name is not None and username_fault(name) is not None
        return Join(name) if bad and name is not None and wrongly(name) else item

    return Change(first=first)


def refusing(wrongly: Callable[[str], bool], code: ErrorCode = ErrorCode.BAD_USERNAME) -> First:
    """Refuse names where the function says so."""

    def first(_: Connection, item: Item) -> Item | Refusal:
        name = _name(item)
        return Refusal(code, "") if name is not None and wrongly(name) else item

    return first


class _FoldingRoom(HostedRoom):
    """Compares names without regard to case."""

    def _decide(
        self, key: Peer, member: _Member, join: Join, now: float, out: _Outbox[Peer]
    ) -> None:
        taken = {name.casefold() for name in self.usernames}
        if join.username.casefold() in taken:
            self._refuse(key, ErrorCode.USERNAME_TAKEN, "", now, out)
        else:
            super()._decide(key, member, join, now, out)


def _renaming(change: Callable[[str], str]) -> Change:
    """Let people join under another name than they asked for."""

    def first(_: Connection, item: Item) -> Item:
        name = _name(item)
        if name is None or isinstance(item, ProtocolViolation):
            return item
        return {**item, "username": change(name)}

    return Change(first=first)


def _replaced(name: str) -> str:
    return "".join("\ufffd" if ord(c) & 0xFFFE == 0xFFFE else c for c in name)


FAULTS = (
    Fault("empty-name", "NAME-1", "An empty username is granted.",
          _granting(lambda name: name == ""),
          {"NOTICE-1": "what a user without a name says looks like a notice",
           "CLOSE-3": "the vector for it takes an empty name to be refused"}),
    Fault("any-length", "NAME-2", "Usernames of any length are granted.",
          _granting(lambda name: "at most 64" in str(username_fault(name)))),
    Fault("controls-in-names", "NAME-5", "Usernames may have control characters.",
          _granting(lambda name: "control characters" in str(username_fault(name)))),
    Fault("bidi-in-names", "NAME-6", "Usernames may control the direction of text.",
          _granting(lambda name: "direction" in str(username_fault(name)))),
    Fault("white-space-around-names", "NAME-7", "White space at the ends of names is granted.",
          _granting(lambda name: "white space" in str(username_fault(name)))),
    Fault("name-of-65", "NAME-2", "A username of 65 code points is granted.",
          _granting(lambda name: len(name) == 65)),
    Fault("name-of-256-octets", "NAME-3", "A username of 256 octets is granted.",
          _granting(lambda name: len(name) <= 64 and len(name.encode()) > 255)),
    Fault("name-not-nfc", "NAME-4", "A username that is not in NFC is granted.",
          _granting(lambda name: "NFC" in str(username_fault(name)))),
    Fault("name-with-del", "NAME-5", "A username with U+007F is granted.",
          _granting(lambda name: "\x7f" in name)),
    Fault("name-with-rlo", "NAME-6", "A username with U+202E is granted.",
          _granting(lambda name: "\u202e" in name)),
    Fault("name-begins-with-space", "NAME-7", "A username that begins with a space is granted.",
          _granting(lambda name: name.startswith(" "))),
    Fault("no-spaces-in-names", "NAME-8", "A username with a space in it is no join.",
          Change(first=refusing(lambda name: " " in name.strip(), ErrorCode.NOT_A_JOIN))),
    Fault("joiners-removed", "NAME-8", "Joiners are taken out of usernames.",
          _renaming(lambda name: name.replace("\u200d", ""))),
    Fault("noncharacters-replaced", "NAME-9", "U+FFFF and the like in usernames become U+FFFD.",
          _renaming(_replaced)),
    Fault("case-folded", "NAME-10", "Names that differ by case only are one.",
          Change(room=_FoldingRoom)),
)  # fmt: skip
