"""What the document shows is what the package speaks."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from chatroom_protocol.framing import encode
from chatroom_protocol.limits import MAX_SERVER_FRAME_OCTETS
from chatroom_protocol.room import Room, Send
from tests.spec.documents import SOURCE, matches, schema, schema_names
from tests.spec.peers import KINDS, clock, taken
from tools.spec_document import Example, examples, sessions

EXAMPLES = examples(SOURCE)
RULES = {"client-join": "join", "server-join-response": "join-response", "server-roster": "roster"}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda e: f"{e.schema}-line-{e.line}")
def test_an_example_is_the_frame_it_is_said_to_be(example: Example) -> None:
    members = json.loads(example.text)
    schema(example.schema).validate(members)
    assert matches(RULES.get(example.schema, example.schema), example.text.encode())
    (event,) = taken(example.schema, example.text.encode() + b"\n")
    assert type(event) is KINDS[example.schema]
    for name, value in event.members().items():  # type: ignore[attr-defined]
        assert members.get(name, value) == value


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda e: f"{e.schema}-line-{e.line}")
def test_an_example_is_no_other_frame(example: Example) -> None:
    side = example.schema.split("-")[0]
    members = json.loads(example.text)
    fitting = [n for n in schema_names() if n.startswith(side) and schema(n).is_valid(members)]
    assert fitting == [example.schema]


def test_objects_in_the_text_are_json() -> None:
    inline = re.findall(r"`(\{\".*?\})`", SOURCE)
    assert len(inline) > 3
    for text in inline:
        assert isinstance(json.loads(text), dict), text


def test_every_frame_has_an_example() -> None:
    assert {example.schema for example in EXAMPLES} == set(schema_names())


def _comparable(members: dict[str, Any]) -> dict[str, Any]:
    """Without the time, and without the words of a notice, which are the server's own."""
    left_out = {"date"} | ({"message", "length"} if members.get("sender") == "" else set())
    return {name: value for name, value in members.items() if name not in left_out}


@pytest.mark.parametrize("session", sessions(SOURCE))
def test_a_session_is_what_a_room_does(session: list[tuple[str, str, str]]) -> None:
    room: Room[str] = Room(clock)
    for name in {name for name, _, _ in session}:
        room.connection_made(name, 0.0)
    shown: dict[str, list[Any]] = {}
    sent: dict[str, list[Any]] = {}
    for name, arrow, text in session:
        if arrow == "<-":
            shown.setdefault(name, []).append(_comparable(json.loads(text)))
            assert sent[name][: len(shown[name])] == shown[name], "sent before or when it is shown"
            continue
        for action in room.receive_data(name, text.encode() + b"\n", 0.0):
            if isinstance(action, Send):
                frames = [_comparable(json.loads(line)) for line in action.data.splitlines()]
                for connection in action.connections:
                    sent.setdefault(connection, []).extend(frames)
    assert sent == shown


def test_lengths_in_examples_are_counts_of_code_points() -> None:
    texts = [example.text for example in EXAMPLES]
    texts += [text for session in sessions(SOURCE) for _, _, text in session]
    counted = [json.loads(text) for text in texts if '"length"' in text]
    assert counted
    assert [m["length"] for m in counted] == [len(m["message"]) for m in counted]


def test_the_longest_message_that_has_to_be_relayed_fits() -> None:
    """[LIMIT-6] in the largest encoding: every character escaped, names as long as they get."""
    name = "\U0001f600" * 62 + "\ua000"
    text = "\x7f" * (4096 - len('{"message":""}'))
    members = {
        "message": text,
        "dm": name,
        "sender": name,
        "length": len(text),
        "date": "2026-03-14 15:09:40.250000+01:00",
    }
    escaped = len(text) * 6 + len(encode(members | {"message": ""}, MAX_SERVER_FRAME_OCTETS))
    assert escaped < 27000 < MAX_SERVER_FRAME_OCTETS
