"""Faults in JSON, sent and received."""

from __future__ import annotations

import json
import math
import unicodedata
from collections.abc import Iterator
from typing import Any

from chatroom_protocol.errors import ProtocolViolation, ViolationCode

from ..decoders import TextDecoder, each_string
from ..fault import Fault
from ..host import (
    Change,
    ChangedDecoder,
    Connection,
    Item,
    Members,
    Peer,
    Sent,
    edit,
    kind_of,
    octets,
)


def _with_raw(kind: str, member: bytes) -> Sent:
    """Add a member to frames of one kind, written as it stands here."""

    def sent(_: Peer, frame: Members) -> Iterator[Members | bytes]:
        yield octets(frame)[:-2] + b"," + member + b"}\n" if kind_of(frame) == kind else frame

    return sent


@edit("said", "private")
def _length_as_float(_: Peer, frame: Members) -> None:
    frame["length"] = float(frame["length"])


class _CesuDecoder(TextDecoder):
    """Takes surrogates that are encoded one by one."""

    def read(self, frame: bytes) -> dict[str, Any]:
        units = frame.decode("utf-8", "surrogatepass").encode("utf-16-le", "surrogatepass")
        return self.strictly(units.decode("utf-16-le", "replace").encode())


class _ForgivingDecoder(ChangedDecoder):
    """Drops an object with a fault of one sort, and goes on."""

    forgiven = ViolationCode.NOT_JSON

    def receive_data(self, data: bytes) -> list[Item]:
        found = super().receive_data(data)
        last = found[-1] if found else None
        if not isinstance(last, ProtocolViolation) or not self.connection.has_joined:
            return found
        if last.code is self.forgiven and "a frame begins" not in last.detail:
            self._failed = False
            self._begin_frame()
            found.pop()
        return found


class _OctetForgivingDecoder(_ForgivingDecoder):
    forgiven = ViolationCode.NOT_UTF_8


class _NaNDecoder(TextDecoder):
    """Takes NaN for a number."""

    def read(self, frame: bytes) -> dict[str, Any]:
        if b"NaN" not in frame:
            return self.strictly(frame)
        value: dict[str, Any] = json.loads(frame)
        return value


class _TabDecoder(TextDecoder):
    """Takes tabs in strings."""

    def read(self, frame: bytes) -> dict[str, Any]:
        if b"\t" not in frame:
            return self.strictly(frame)
        value: dict[str, Any] = json.loads(frame, strict=False)
        return value


class _SlashDecoder(TextDecoder):
    """Doesn't know that a slash can be escaped."""

    def read(self, frame: bytes) -> dict[str, Any]:
        if b"\\/" in frame.replace(b"\\\\", b""):
            raise ValueError("an unknown escape")
        return self.strictly(frame)


def _no_nul(_: Connection, frame: Members) -> Members | None:
    """Ignore messages with a NUL in their text."""
    return None if "\0" in str(frame.get("message")) else frame


def _message_first(_: Connection, frame: Members) -> Members | None:
    """Ignore messages of many members of which `message` is the last."""
    return None if len(frame) > 4 and list(frame)[-1] == "message" else frame


class _ShortNumberDecoder(TextDecoder):
    """Takes integers of up to 200 digits."""

    def read(self, frame: bytes) -> dict[str, Any]:
        value = self.strictly(frame)
        if any(isinstance(part, int) and abs(part) > 10**200 for part in value.values()):
            raise ValueError("too many digits")
        return value


def _full_width(_: Connection, frame: Members) -> Members:
    """Take full-width letters for plain ones in names of members."""
    return {unicodedata.normalize("NFKC", name): value for name, value in frame.items()}


class _JoiningDecoder(TextDecoder):
    """Makes one text of two members of the same name."""

    def read(self, frame: bytes) -> dict[str, Any]:
        def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
            made: dict[str, Any] = {}
            for name, value in pairs:
                both = isinstance(made.get(name), str) and isinstance(value, str)
                made[name] = f"{made[name]} {value}" if both else value
            return made

        text = frame.decode()
        value: dict[str, Any] = json.loads(text, object_pairs_hook=members)
        plain: dict[str, Any] = json.loads(text)
        return value if value != plain else self.strictly(frame)


class _HugeDecoder(TextDecoder):
    """Relays an empty text when there is a number beyond a double."""

    def read(self, frame: bytes) -> dict[str, Any]:
        value = json.loads(frame.decode(), parse_constant=lambda _: None)
        huge = any(isinstance(part, float) and math.isinf(part) for part in value.values())
        if not huge or not isinstance(value.get("message"), str):
            return self.strictly(frame)
        return {"message": "", "dm": None}


class _QuestionDecoder(TextDecoder):
    """Relays a question mark for half of a surrogate pair."""

    def read(self, frame: bytes) -> dict[str, Any]:
        try:
            return self.strictly(frame)
        except ValueError:
            if b"\\ud8" not in frame.lower():
                raise
            whole = json.loads(frame.decode())
            return dict(each_string(whole, lambda text: text.encode("utf-8", "replace").decode()))


FAULTS = (
    Fault("duplicate-sent", "JSON-1", "Leave announcements have a member twice.",
          Change(sent=_with_raw("left", b'"x":1,"x":1'))),
    Fault("surrogate-sent", "JSON-2", "Leave announcements have half of a surrogate pair.",
          Change(sent=_with_raw("left", b'"x":"\\ud83d"'))),
    Fault("huge-number-sent", "JSON-3", "Leave announcements have the number 1e999.",
          Change(sent=_with_raw("left", b'"x":1e999'))),
    Fault("length-as-float", "JSON-14", "`length` is written as 5.0.",
          Change(sent=_length_as_float)),
    Fault("cesu-8", "JSON-4", "Surrogates encoded one by one are taken for UTF-8.",
          Change(decoder=_CesuDecoder)),
    Fault("bad-octets-dropped", "JSON-4", "An object that is not UTF-8 is ignored.",
          Change(decoder=_OctetForgivingDecoder)),
    Fault("bad-objects-dropped", "JSON-5", "An object that is no JSON is ignored.",
          Change(decoder=_ForgivingDecoder),
          {"FRAME-14": "what is ignored is never acted upon",
           "FRAME-8": "a vector of a fault that is cut ends in a violation",
           "CLOSE-3": "there is something behind a fault that ends nothing"}),
    Fault("nan-taken", "JSON-5", "NaN is taken for a number.", Change(decoder=_NaNDecoder)),
    Fault("tabs-in-strings", "JSON-5", "A tab in a string needs no escape.",
          Change(decoder=_TabDecoder)),
    Fault("no-escaped-slash", "JSON-6", "An escaped slash is a violation.",
          Change(decoder=_SlashDecoder)),
    Fault("nul-not-taken", "JSON-7", "A text with U+0000 in it is not relayed.",
          Change(heard=_no_nul),
          {"MSG-3": "a text with U+0000 isn't relayed",
           "LIMIT-6": "the same, for a text of many of them"}),
    Fault("message-first", "JSON-8", "A message is ignored when its text comes last of many.",
          Change(heard=_message_first)),
    Fault("short-numbers", "JSON-9", "An integer of more than 200 digits is a violation.",
          Change(decoder=_ShortNumberDecoder)),
    Fault("full-width-names", "JSON-10", "Names of members are compared in NFKC.",
          Change(heard=_full_width)),
    Fault("duplicates-joined", "JSON-11", "Two texts of one name are made one.",
          Change(decoder=_JoiningDecoder)),
    Fault("huge-number-empties", "JSON-12", "A number beyond a double empties the message.",
          Change(decoder=_HugeDecoder)),
    Fault("question-marks", "JSON-13", "Half of a surrogate pair becomes a question mark.",
          Change(decoder=_QuestionDecoder)),
)  # fmt: skip
