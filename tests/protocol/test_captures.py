"""What the original server of 2018 did on the wire, done by the room."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from chatroom_protocol import Room
from tests.protocol.rooms import World, clock

CAPTURES = Path(__file__).parents[1] / "data" / "captures"


def replay(name: str) -> tuple[World, dict[str, list[Any]], dict[str, list[Any]]]:
    """Play a session; return what each client received then, and what it receives now."""
    world = World(Room(clock))
    then: dict[str, list[Any]] = {}
    for row in (json.loads(text) for text in (CAPTURES / name).read_text().splitlines()):
        client = row["client"]
        if row["event"] == "connected":
            then[client] = []
            world.connect(client)
        elif row["event"] == "sent":
            world.data(client, row["bytes"].encode())
        elif row["event"] == "received":
            then[client].append(json.loads(row["bytes"]))
        elif row["event"] == "server closed":
            assert world.peers[client].ended
    return world, then, {client: peer.take() for client, peer in world.peers.items()}


def dateless(frames: list[Any]) -> list[Any]:
    return [{name: frame[name] for name in frame if name != "date"} for frame in frames]


def test_the_session_gives_the_same_frames_and_a_notice_about_the_unknown_addressee() -> None:
    world, then, now = replay("original-session.jsonl")
    notices = [frame for frame in now["alice"] if frame.get("sender") == ""]
    now["alice"] = [frame for frame in now["alice"] if frame not in notices]
    for client, frames in then.items():
        assert dateless(now[client]) == dateless(frames)
        for old, new in zip(frames, now[client], strict=True):
            assert old.keys() == new.keys()
    [notice] = notices
    assert notice["dm"] == "alice"
    assert "nobody" in notice["message"]
    assert world.room.usernames == ("bob", "carol")


def test_a_name_taken_is_refused_and_the_refused_one_hears_no_more() -> None:
    world, then, now = replay("original-name-taken.jsonl")
    assert then["second"][1]["message"] == "still here", "the original leaked this"
    assert now["second"] == then["second"][:1] == [{"errorCode": 1, "isConnected": False}]
    assert world.peers["second"].ended
    assert now["alice"] == then["alice"]
