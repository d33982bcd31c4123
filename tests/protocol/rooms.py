"""What tests of the room share: a fixed time, and a world that carries out its actions."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any

from attrs import define, field

from chatroom_protocol import (
    Abort,
    Action,
    Close,
    PauseReading,
    ResumeReading,
    Room,
    Send,
    SendEOF,
)

NOW = 100.0
DATE = "2026-03-14 15:09:26+01:00"


def clock() -> datetime:
    return datetime(2026, 3, 14, 15, 9, 26, tzinfo=timezone(timedelta(hours=1)))


def line(members: dict[str, Any]) -> bytes:
    return json.dumps(members).encode() + b"\n"


@define
class Peer:
    """What became of one connection, as its peer and its transport see it."""

    received: bytes = b""
    ended: bool = False
    closed: bool = False
    paused: bool = False
    aborted: bool = False

    def take(self) -> list[Any]:
        """Give the frames received since the last time."""
        frames = [json.loads(frame) for frame in self.received.splitlines()]
        self.received = b""
        return frames


@define
class World:
    """Carries out actions, and holds the room to what an adapter may rely on."""

    room: Room[str]
    peers: dict[str, Peer] = field(factory=dict)
    log: list[Action[str]] = field(factory=list)
    now: float = NOW

    def connect(self, key: str, address: str | None = None) -> Peer:
        self.peers[key] = Peer()
        self.do(self.room.connection_made(key, self.now, address))
        return self.peers[key]

    def data(self, key: str, data: bytes) -> None:
        self.do(self.room.receive_data(key, data, self.now))

    def say(self, key: str, **members: Any) -> None:
        self.data(key, line(members))

    def join(self, key: str, username: str | None = None, **members: Any) -> Peer:
        """Connect and join; what was received until then is taken."""
        peer = self.connect(key)
        self.say(key, username=username or key, **members)
        for each in self.peers.values():
            each.take()
        return peer

    def eof(self, key: str) -> None:
        self.do(self.room.receive_eof(key, self.now))

    def lose(self, key: str) -> None:
        self.do(self.room.connection_lost(key, self.now))
        self.peers[key].closed = True

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.do(self.room.deadline_passed(self.now))

    def do(self, actions: list[Action[str]]) -> None:
        for action in actions:
            if isinstance(action, Send):
                assert action.connections
                assert len(set(action.connections)) == len(action.connections)
                for key in action.connections:
                    self._open(key).received += action.data
            elif isinstance(action, SendEOF):
                self._open(action.connection).ended = True
            elif isinstance(action, Close):
                self._there(action.connection).closed = True
            elif isinstance(action, Abort):
                self._there(action.connection).aborted = True
            elif isinstance(action, PauseReading):
                assert not self._open(action.connection).paused
                self.peers[action.connection].paused = True
            elif isinstance(action, ResumeReading):
                assert self._there(action.connection).paused
                self.peers[action.connection].paused = False
            else:
                self.log.append(action)
        for member in self.room._members.values():
            assert not member.connection._out, "what is queued has to leave with the actions"
            assert not member.connection._pending

    def _there(self, key: str) -> Peer:
        peer = self.peers[key]
        assert not peer.aborted, f"{key} was aborted before"
        return peer

    def _open(self, key: str) -> Peer:
        peer = self._there(key)
        assert not peer.ended, f"{key} has had its last words"
        assert not peer.closed, f"{key} is closing"
        return peer


def message(
    sender: str, text: str, dm: str | None = None, date: str | None = DATE
) -> dict[str, Any]:
    """Give what a server sends when ``sender`` says ``text``."""
    members = {"message": text, "dm": dm, "sender": sender, "length": len(text), "date": date}
    return {name: value for name, value in members.items() if name != "date" or date}
