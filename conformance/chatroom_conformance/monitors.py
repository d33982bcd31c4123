"""Monitors look at every frame of every case, so that a rule about all frames is counted.

What strangers said is checked like the rest, and never quoted.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from attrs import define, field, frozen

from .matches import kind_of, short
from .reader import Frame, Junk
from .results import CaseResult, Entry, Finding, Status, What
from .vocabulary import Client, Room

MAX_FRAME_OCTETS = 32768
MAX_TOKEN_CODE_POINTS = 64

_KIND_MEMBERS = ("isConnected", "disconnect", "message", "roster", "ping", "pong")
_DATE = re.compile(
    r"(\d{4})-(\d\d)-(\d\d) ([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?"
    r"(Z|[+-]([01]\d|2[0-3]):[0-5]\d)",
    re.ASCII,
)

#: What a frame shows of a rule: None when it says nothing about it, "" when it keeps it, else what
#: is wrong.
Look = Callable[[Client, Frame], "str | None"]
LookAtValue = Callable[[Client, Mapping[str, Any]], "str | None"]


@frozen
class Rule:
    """A rule about every frame, or about those of some kinds."""

    requirement: str
    name: str
    permitted: str
    look: Look
    kinds: tuple[str, ...] = ()  #: of frames that it is about; empty is all, objects or not


def _fault(*words: str) -> Look:
    def look(_: Client, frame: Frame) -> str:
        if not frame.faults:
            return ""
        return next((fault for fault in frame.faults if any(w in fault for w in words)), "")

    return look


def _value(look: LookAtValue) -> Look:
    def of_frame(client: Client, frame: Frame) -> str | None:
        return None if frame.value is None else look(client, frame.value)

    return of_frame


def _line_feed(client: Client, frame: Frame) -> str | None:
    if client.frames_seen == 1:
        return None
    return "" if b"\n" in frame.gap else "a frame begins and no LF came since the one before"


def _one_line(_: Client, frame: Frame) -> str:
    return "an LF inside a frame" if b"\n" in frame.raw else ""


def _size(_: Client, frame: Frame) -> str:
    octets = len(frame.raw)
    return f"a frame of {octets:,} octets" if octets > MAX_FRAME_OCTETS else ""


def _integers(_: Client, value: Mapping[str, Any]) -> str | None:
    numbers = {key: value[key] for key in ("length", "errorCode") if key in value}
    wrong = {key: n for key, n in numbers.items() if isinstance(n, float) and n == int(n)}
    if not numbers:
        return None
    return f"{next(iter(wrong))} as {next(iter(wrong.values()))!r}" if wrong else ""


def _one_kind(_: Client, value: Mapping[str, Any]) -> str:
    found = [member for member in _KIND_MEMBERS if member in value]
    return f"a frame with both {' and '.join(found)}" if len(found) > 1 else ""


def _members(_: Client, value: Mapping[str, Any]) -> str:
    checks: dict[str, Callable[[object], bool]] = {
        "message": lambda v: isinstance(v, str),
        "dm": lambda v: v is None or isinstance(v, str),
        "sender": lambda v: isinstance(v, str),
        "length": _is_integer,
        "date": lambda v: isinstance(v, str),
    }
    for member, right in checks.items():
        if member not in value:
            return f"a message frame without {member}"
        if not right(value[member]):
            return f"a message frame whose {member} is of the wrong type"
    return ""


def _is_integer(value: object) -> bool:
    if isinstance(value, float):
        return value == value // 1
    return isinstance(value, int) and not isinstance(value, bool)


def _length(_: Client, value: Mapping[str, Any]) -> str | None:
    text, length = value["message"], value.get("length")
    if not isinstance(text, str) or not _is_integer(length):
        return None
    return "" if length == len(text) else f"length {length} for {len(text)} code points"


def _date(_: Client, value: Mapping[str, Any]) -> str | None:
    text = value.get("date")
    if not isinstance(text, str):
        return None
    found = _DATE.fullmatch(text)
    if found:
        try:
            date(int(found[1]), int(found[2]), int(found[3]))
        except ValueError:
            found = None
    return "" if found else f"date {short(text)}"


def _notice(client: Client, value: Mapping[str, Any]) -> str | None:
    if value.get("sender") != "" or not client.username:
        return None
    if value["message"] in client.room.texts:
        return None  # something of ours, relayed under a name that was forged, is no notice
    right = value.get("dm") == client.username
    return "" if right else f"dm {short(value.get('dm'))} in a notice to {client.username!r}"


def _error_code(_: Client, value: Mapping[str, Any]) -> str | None:
    code = value.get("errorCode")
    if not _is_integer(code):
        return None
    assert isinstance(code, int | float)
    known = code == -1 or 1 <= code <= 5 or 1000 <= code <= 1999
    return "" if known else f"errorCode {code}"


def _extension_list(_: Client, value: Mapping[str, Any]) -> str | None:
    if "extensions" not in value:
        return None
    names = value["extensions"]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return f"extensions {short(names)}"
    return "a name twice in extensions" if len(set(names)) < len(names) else ""


def _asked_for(client: Client, value: Mapping[str, Any]) -> str | None:
    kind = kind_of(value)
    if kind in ("response", "disconnect", "message"):
        return ""
    extension = {"roster": "roster", "ping": "ping", "pong": "ping"}.get(kind)
    if extension in client.granted:
        return ""
    if kind == "unknown" and any(name.startswith("x-") for name in client.granted):
        return ""
    return f"a frame with {', '.join(map(repr, list(value)[:5])) or 'no members'}, not asked for"


def _token(_: Client, value: Mapping[str, Any]) -> str:
    token = value.get("pong", value.get("ping"))
    right = isinstance(token, str) and len(token) <= MAX_TOKEN_CODE_POINTS
    return "" if right else f"a token {short(token)}"


RULES = (
    Rule("FRAME-1", "utf-8-json", "every frame is one JSON object in UTF-8",
         _fault("not UTF-8", "not JSON", "deep")),
    Rule("FRAME-2", "line-feed", "an LF after every frame", _line_feed),
    Rule("FRAME-3", "one-line", "no LF inside a frame", _one_line),
    Rule("FRAME-4", "nothing-between", "nothing but whitespace outside frames",
         lambda _client, _frame: ""),
    Rule("JSON-1", "no-duplicates", "no two members of the same name", _fault("same name")),
    Rule("JSON-2", "no-surrogates", "no surrogate code point", _fault("surrogate")),
    Rule("JSON-3", "number-range", "numbers within the range of a double", _fault("double")),
    Rule("JSON-14", "integers", "integers without fraction and exponent", _value(_integers)),
    Rule("KIND-10", "one-kind", "members of one kind of frame", _value(_one_kind)),
    Rule("MSG-7", "message-members",
         "message, sender and date strings, dm a string or null, length an integer",
         _value(_members), ("message",)),
    Rule("MSG-11", "length", "length is the number of code points", _value(_length), ("message",)),
    Rule("MSG-12", "date", "YYYY-MM-DD HH:MM:SS, a fraction or none, then Z or an offset",
         _value(_date), ("message",)),
    Rule("NOTICE-1", "notice", "the client's own username as dm of a notice",
         _value(_notice), ("message",)),
    Rule("ERR-1", "error-code", "-1, 1 to 5, or 1000 to 1999", _value(_error_code), ("response",)),
    Rule("LIMIT-5", "size", "at most 32,768 octets", _size),
    Rule("EXT-3", "extension-asked-for", "frames of granted extensions only", _value(_asked_for)),
    Rule("EXT-7", "extension-list", "an array of strings, each once",
         _value(_extension_list), ("response",)),
    Rule("PING-8", "pong-token", "a string of at most 64 code points", _value(_token), ("pong",)),
    Rule("PING-8", "ping-token", "a string of at most 64 code points", _value(_token), ("ping",)),
)  # fmt: skip


_KINDS = ("response", "disconnect", "message", "roster", "ping", "pong", "unknown")
#: The rules that a frame of each kind is held against; "" is for what is no object.
_RULES_OF = {
    kind: tuple(rule for rule in RULES if not rule.kinds or kind in rule.kinds)
    for kind in ("", *_KINDS)
}


@define
class _Tally:
    checked: int = 0
    wrong: int = 0
    first: str = ""
    case: str = ""
    transcript: tuple[Entry, ...] = ()


@define
class Monitors:
    """All rules, and what they saw so far."""

    _tallies: dict[str, _Tally] = field(factory=lambda: {rule.name: _Tally() for rule in RULES})
    _lock: threading.RLock = field(factory=threading.RLock)

    def item(self, room: Room, client: Client, item: Frame | Junk) -> None:
        """Look at one frame, or at octets that are none."""
        if isinstance(item, Junk):
            self._wrong("nothing-between", room, f"{short(item.raw)} outside frames")
            return
        with self._lock:
            for rule in _RULES_OF[kind_of(item.value) if item.value is not None else ""]:
                seen = rule.look(client, item)
                if seen is not None:
                    self._tallies[rule.name].checked += 1
                if seen:
                    self._wrong(rule.name, room, self._quotable(room, item, seen))

    def end(self, room: Room, client: Client) -> None:
        """Look at a connection that the server ended: was there an LF behind its last frame?"""
        if client.ended is What.END_OF_STREAM and client.frames_seen and not client.reader.rest():
            with self._lock:
                self._tallies["line-feed"].checked += 1
            if b"\n" not in client.reader.gap:
                self._wrong("line-feed", room, "no LF behind the last frame")

    def results(self, selected: Callable[[str], bool]) -> list[CaseResult]:
        """One result for each rule; of those not selected, UNTESTED."""
        return [self._result(rule, selected(f"monitor.{rule.name}")) for rule in RULES]

    def _quotable(self, room: Room, item: Frame, seen: str) -> str:
        ours = item.value is None or room.is_ours(item.value)
        return seen if ours else "a frame about somebody else breaks it (not quoted)"

    def _wrong(self, name: str, room: Room, actual: str) -> None:
        with self._lock:
            tally = self._tallies[name]
            tally.wrong += 1
            if not tally.first:
                tally.first, tally.case = actual, room.case_id
                tally.transcript = room.transcript.entries

    def _result(self, rule: Rule, selected: bool) -> CaseResult:
        tally = self._tallies[rule.name]
        status, reason = Status.MET, ""
        findings: tuple[Finding, ...] = ()
        if not selected:
            status, reason = Status.UNTESTED, "not selected"
        elif tally.wrong:
            status = Status.VIOLATED
            total = max(tally.checked, tally.wrong)
            actual = f"{tally.first} (in case {tally.case}; {tally.wrong} of {total} frames)"
            findings = (Finding(rule.requirement, status, rule.permitted, actual),)
        elif not tally.checked:
            status, reason = Status.UNTESTED, "no frame came that it applies to"
        return CaseResult(
            id=f"monitor.{rule.name}",
            title=rule.permitted,
            rule="",
            area="monitor",
            status=status,
            requirements=(rule.requirement,),
            outcomes={rule.requirement: status},
            findings=findings,
            reason=reason,
            transcript=tally.transcript if findings else (),
            kind="monitor",
            frames_checked=tally.checked,
        )
