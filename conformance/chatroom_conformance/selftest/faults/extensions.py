"""Faults in the extensions, and in how they are asked for."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from chatroom_protocol.connection import ServerEvent
from chatroom_protocol.errors import (
    ErrorCode,
    ProtocolViolation,
    Refusal,
    Rejection,
    RejectionCode,
    ViolationCode,
)
from chatroom_protocol.frames import JOIN_TEXT, PING, ROSTER, Join, Pong, Roster
from chatroom_protocol.room import LeaveReason, _Member, _Outbox
from chatroom_protocol.states import ServerState

from ..fault import Fault
from ..host import (
    Change,
    Connection,
    HostedRoom,
    Item,
    Members,
    Peer,
    Sent,
    Server,
    edit,
    kind_of,
    message,
    octets,
)
from .people import _DoorlessRoom, _without

_Out = _Outbox[Peer]


# ---- asking and granting


@edit("granted")
def _empty_list(_: Peer, frame: Members) -> None:
    frame.setdefault("extensions", [])


@edit("granted")
def _ping_too(_: Peer, frame: Members) -> None:
    if frame.get("extensions") == ["roster"]:
        frame["extensions"] = ["ping", "roster"]


@edit("granted")
def _each_twice(_: Peer, frame: Members) -> None:
    if "extensions" in frame:
        frame["extensions"] *= 2


def _noting_wish(connection: Connection, item: Item) -> Item:
    """Note whether a join asks for extensions at all."""
    connection.peer.memory["asked"] = isinstance(item, dict) and "extensions" in item
    return item


@edit("granted")
def _advertising(peer: Peer, frame: Members) -> None:
    if not peer.memory["asked"]:
        frame["extensions"] = [PING, ROSTER]


def _unasked_ping(_: Peer, frame: Members) -> Iterator[Members]:
    """Ping who was granted nothing."""
    yield frame
    if kind_of(frame) == "granted" and "extensions" not in frame:
        yield {"ping": "are you there"}


def _long_ping(_: Peer, frame: Members) -> Iterator[Members]:
    """Ping who was granted ping alone, with 65 code points."""
    yield frame
    if kind_of(frame) == "granted" and frame.get("extensions") == ["ping"]:
        yield {"ping": "x" * 65}


def _word_is_a_list(_: Connection, item: Item) -> Item:
    """Take a string for a list of one."""
    if isinstance(item, dict) and isinstance(item.get("extensions"), str):
        return {**item, "extensions": [item["extensions"]]}
    return item


def _strings_of_a_list(_: Connection, item: Item) -> Item:
    """Take the strings of a list, whatever else is in it."""
    if isinstance(item, dict) and isinstance(item.get("extensions"), list):
        names = [name for name in item["extensions"] if isinstance(name, str)]
        return {**item, "extensions": names}
    return item


def _all_or_nothing(_: Connection, item: Item) -> Item:
    """Grant nothing to who asks for something unknown."""
    if not isinstance(item, dict) or not isinstance(item.get("extensions"), list):
        return item
    names = item["extensions"]
    known = all(not isinstance(name, str) or name in (PING, ROSTER) for name in names)
    return item if known else {**item, "extensions": []}


def _list_wanted(_: Connection, item: Item) -> Item | Refusal:
    """Refuse a join whose `extensions` are no list of strings."""
    names = item.get("extensions", []) if isinstance(item, dict) else []
    right = isinstance(names, list) and all(isinstance(name, str) for name in names)
    return item if right else Refusal(ErrorCode.NOT_A_JOIN, "")


def _known_wanted(_: Connection, item: Item) -> Item | Refusal:
    """Refuse a join that asks for something unknown."""
    names = item.get("extensions") if isinstance(item, dict) else []
    known = not isinstance(names, list) or all(
        name in (PING, ROSTER) for name in names if isinstance(name, str)
    )
    return item if known else Refusal(ErrorCode.NOT_A_JOIN, "")


class _ResumingRoom(_DoorlessRoom):
    """Takes who asks for roster for the one who had the name, come back."""

    def takes_over(self, join: Join) -> bool:
        return ROSTER in join.extensions


def _choosy(_: Connection, item: Item) -> Item | Refusal:
    """Refuse a join that asks for something unknown alone."""
    wrong = isinstance(item, dict) and item.get("extensions") == ["x-a"]
    return Refusal(ErrorCode.NOT_A_JOIN, "") if wrong else item


def _is_ping(frame: Members) -> bool:
    return "ping" in frame and not {"disconnect", "message"} & set(frame)


def _answering(connection: Connection, frame: Members) -> Members:
    """Answer a ping of whoever sends it."""
    if _is_ping(frame) and isinstance(frame["ping"], str) and PING not in connection.granted:
        peer = connection.peer
        peer.server.send(peer, octets({"pong": frame["ping"]}))
    return frame


def _ending(connection: Connection, frame: Members) -> Item:
    """Take a ping of who was granted none for a violation."""
    if _is_ping(frame) and PING not in connection.granted:
        return ProtocolViolation(ViolationCode.NOT_JSON, "ping wasn't granted", 0)
    return frame


def _checking(_: Connection, frame: Members) -> Members | Rejection:
    """Reject a ping of whoever sends a wrong one."""
    if _is_ping(frame) and not isinstance(frame["ping"], str):
        return Rejection(RejectionCode.BAD_PING, "a ping token is a string")
    return frame


# ---- roster


def _roster_behind_notice(peer: Peer, frame: Members) -> Iterator[Members]:
    """Greet a newcomer before its roster."""
    if kind_of(frame) == "roster":
        yield message("Welcome", "", peer.username)
    yield frame


@edit("roster")
def _without_oneself(peer: Peer, frame: Members) -> None:
    frame["roster"].remove(peer.username)


@edit("roster")
def _as_object(_: Peer, frame: Members) -> None:
    frame["roster"] = {name: {} for name in frame["roster"]}


@edit("roster")
def _with_the_unjoined(peer: Peer, frame: Members) -> None:
    links = [other.link for other in peer.server._peers]
    frame["roster"] += [None for link in links if link.state is ServerState.WAITING]


def _only_rosters(*kinds: str) -> Sent:
    """Send no frames of these kinds to who was granted roster."""

    def sent(peer: Peer, frame: Members) -> Iterator[Members]:
        if kind_of(frame) not in kinds or ROSTER not in peer.link.granted:
            yield frame

    return sent


class _RosterRoom(HostedRoom):
    """Sends rosters of its own."""

    def send_roster(self, keys: tuple[Peer, ...], out: _Out) -> None:
        """Send those of them a roster that were granted one."""
        keys = tuple(key for key in keys if ROSTER in key.link.granted)
        out.send(keys, octets(Roster(self.usernames).members()))


class _RememberingRoom(HostedRoom):
    """Lists those who have left too."""

    def __init__(self, change: Change) -> None:
        super().__init__(change)
        self.gone: list[str] = []

    def _leave(self, key: Peer, reason: LeaveReason, out: _Out) -> None:
        if key.username in self._users:
            self.gone.append(key.username)
        super()._leave(key, reason, out)

    def _roster(self) -> bytes:
        return octets(Roster((*self.usernames, *self.gone[-3:])).members())


class _RepeatingRoom(_RosterRoom):
    """Sends everybody a new roster when somebody joins."""

    def _admit(self, key: Peer, member: _Member, join: Join, out: _Out) -> None:
        super()._admit(key, member, join, out)
        self.send_roster(self.others(key), out)


def _recounting(peer: Peer, frame: Members) -> Iterator[Members]:
    """Announce those to a newcomer whom its roster has."""
    yield frame
    for name in frame.get("roster", ()):
        if name != peer.username:
            yield message(JOIN_TEXT, name)


class _EarlyRosterRoom(HostedRoom):
    """Sends no announcement of the next join to who has just got a roster."""

    def _admit(self, key: Peer, member: _Member, join: Join, out: _Out) -> None:
        last = self.joined()[-1:]
        skipped = [who for who in last if ROSTER in who.link.granted]
        everyone = self._users
        self._users = {name: who for name, who in everyone.items() if who not in skipped}
        super()._admit(key, member, join, out)
        self._users = {**everyone, **self._users}


class _AnySizeRoom(HostedRoom):
    """Grants rosters of any size, and sends the first 100 names."""

    def _roster(self) -> bytes:
        return octets(Roster(self.usernames[-100:]).members())


class _RosterOrNothingRoom(HostedRoom):
    """Refuses who asks for a roster that is too large."""

    def _decide(self, key: Peer, member: _Member, join: Join, now: float, out: _Out) -> None:
        if ROSTER in join.extensions and not self._roster():
            self._refuse(key, ErrorCode.SERVER_FULL, "", now, out)
        else:
            super()._decide(key, member, join, now, out)


# ---- ping


@edit("pong")
def _other_token(_: Peer, frame: Members) -> None:
    frame["pong"] = frame["pong"].upper()


def _two_pongs(_: Peer, frame: Members) -> Iterator[Members]:
    """Answer twice."""
    yield frame
    if kind_of(frame) == "pong":
        yield frame


def _pong_besides(token: Callable[[Any], Any]) -> Change:
    """Reject a ping whose token is a number, and answer it as well."""

    def heard(connection: Connection, frame: Members) -> Members:
        if _is_ping(frame) and isinstance(frame["ping"], int) and PING in connection.granted:
            peer = connection.peer
            peer.server.send(peer, octets({"pong": token(frame["ping"])}))
        return frame

    return Change(heard=heard)


class _StrictPongConnection(Connection):
    """Takes an unasked pong for the end."""

    def _handle(self, item: Item) -> ServerEvent | None:
        event = super()._handle(item)
        return super()._handle({"disconnect": True}) if isinstance(event, Pong) else event


class _StrictPingConnection(Connection):
    """Takes a wrong ping for the end."""

    def _handle(self, item: Item) -> ServerEvent | None:
        if self.has_joined and isinstance(item, dict) and "ping" in item:
            wrong = not isinstance(item["ping"], str) or len(item["ping"]) > 64
            if wrong and PING in self.granted and not {"disconnect", "message"} & set(item):
                return super()._handle({"disconnect": True})
        return super()._handle(item)


def _quiet_on_pings(_: Peer, frame: Members) -> Iterator[Members]:
    """Send no notice about a ping."""
    if kind_of(frame) != "notice" or "ping token" not in frame["message"]:
        yield frame


class _PongReadingConnection(Connection):
    """Says so when a pong comes that it did not ask for."""

    def _handle(self, item: Item) -> ServerEvent | None:
        event = super()._handle(item)
        if isinstance(event, Pong):
            self.notify("Nobody asked for this pong.")
        return event


class _PongFirstServer(Server):
    """Sends what somebody with ping says to oneself 3 ms later."""

    def write(self, peer: Peer, data: bytes) -> None:
        base = super().write
        lines = data.splitlines(keepends=True)
        own = [line for line in lines if json.loads(line).get("sender", "") == peer.username]
        if not own or PING not in peer.link.granted:
            base(peer, data)
            return
        base(peer, b"".join(line for line in lines if line not in own))
        self.later(0.003, lambda: base(peer, b"".join(own)))


_NO_PONGS: Sent = _without("pong")

FAULTS = (
    Fault("empty-grant", "EXT-1", "Who is granted nothing gets an empty list.",
          Change(sent=_empty_list)),
    Fault("ping-with-roster", "EXT-2", "Who asks for roster is granted ping too.",
          Change(sent=_ping_too)),
    Fault("advertising", "EXT-2", "Who asks for nothing is told that all is granted.",
          Change(first=_noting_wish, sent=_advertising)),
    Fault("unasked-ping", "EXT-3", "Who was granted nothing is pinged.",
          Change(sent=_unasked_ping)),
    Fault("word-is-a-list", "EXT-4", "`extensions` may be a string.",
          Change(first=_word_is_a_list)),
    Fault("strings-of-a-list", "EXT-4", "What is no string in `extensions` is left out.",
          Change(first=_strings_of_a_list)),
    Fault("list-wanted", "EXT-4", "A join whose `extensions` are no strings is refused.",
          Change(first=_list_wanted)),
    Fault("known-wanted", "EXT-5", "Who asks for something unknown is refused.",
          Change(first=_known_wanted),
          {"EXT-9": "the decision depends on what is asked for"}),
    Fault("all-or-nothing", "EXT-5", "Who asks for something unknown is granted nothing.",
          Change(first=_all_or_nothing)),
    Fault("ping-for-all", "EXT-6", "A ping is answered to who wasn't granted it.",
          Change(heard=_answering),
          {"EXT-3": "the pong is a frame of an extension that wasn't granted"}),
    Fault("ping-checked-for-all", "EXT-6", "A wrong ping is rejected from who wasn't granted it.",
          Change(heard=_checking)),
    Fault("ping-ends-for-all", "EXT-6", "A ping of who wasn't granted it is a violation.",
          Change(heard=_ending)),
    Fault("granted-twice", "EXT-7", "What is granted is listed twice.", Change(sent=_each_twice)),
    Fault("choosy", "EXT-9", "Who asks for an unknown extension alone is refused.",
          Change(first=_choosy)),
    Fault("roster-resumes", "EXT-9", "Who asks for roster is granted a name that is taken.",
          Change(room=_ResumingRoom)),
    Fault("roster-behind-notice", "ROSTER-1", "A greeting comes before the roster.",
          Change(sent=_roster_behind_notice)),
    Fault("roster-without-oneself", "ROSTER-2", "The newcomer is not in its roster.",
          Change(sent=_without_oneself)),
    Fault("roster-with-the-gone", "ROSTER-2", "A roster lists who has left.",
          Change(room=_RememberingRoom)),
    Fault("roster-of-members", "ROSTER-2", "A roster is an object with a member for each name.",
          Change(sent=_as_object)),
    Fault("roster-with-null", "ROSTER-2", "A roster has null for each who has not joined.",
          Change(sent=_with_the_unjoined)),
    Fault("roster-again", "ROSTER-3", "Each join brings a new roster.",
          Change(room=_RepeatingRoom)),
    Fault("roster-announced", "ROSTER-4", "Whom a roster lists is announced too.",
          Change(sent=_recounting)),
    Fault("roster-then-gap", "ROSTER-4", "The first join behind a roster is not announced.",
          Change(room=_EarlyRosterRoom)),
    Fault("roster-without-joins", "ROSTER-4", "Who has a roster is told of no join.",
          Change(sent=_only_rosters("joined"))),
    Fault("roster-without-leaves", "ROSTER-4", "Who has a roster is told of no leave.",
          Change(sent=_only_rosters("left"))),
    Fault("roster-or-nothing", "ROSTER-5", "Who asks for a roster too large is refused.",
          Change(room=_RosterOrNothingRoom), disruptive=True),
    Fault("roster-of-any-size", "ROSTER-5", "A roster too large is granted, and cut.",
          Change(room=_AnySizeRoom), disruptive=True),
    Fault("no-pong", "PING-1", "Pings are not answered.", Change(sent=_NO_PONGS)),
    Fault("pong-in-capitals", "PING-1", "The token of a pong is in upper case.",
          Change(sent=_other_token)),
    Fault("two-pongs", "PING-2", "A ping is answered twice.", Change(sent=_two_pongs)),
    Fault("wrong-ping-answered", "PING-3", "A number as token is rejected, and answered by \"\".",
          _pong_besides(lambda _: "")),
    Fault("wrong-ping-ends", "PING-3", "A wrong ping ends the connection.",
          Change(connection=_StrictPingConnection)),
    Fault("no-word-on-ping", "PING-4", "No notice tells of a wrong ping.",
          Change(sent=_quiet_on_pings)),
    Fault("pong-ends", "PING-5", "An unasked pong ends the connection.",
          Change(connection=_StrictPongConnection)),
    Fault("pong-noticed", "PING-5", "An unasked pong gets a notice.",
          Change(connection=_PongReadingConnection)),
    Fault("pong-first", "PING-6", "A pong overtakes what was caused before.",
          Change(server=_PongFirstServer)),
    Fault("number-pong", "PING-8", "A number as token of a ping is rejected, and sent back.",
          _pong_besides(lambda token: token),
          {"PING-3": "a ping that is rejected is answered"}),
    Fault("long-ping", "PING-8", "The server pings with 65 code points.",
          Change(sent=_long_ping)),
)  # fmt: skip
