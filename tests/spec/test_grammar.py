"""The grammar and the schemas accept what the package does, and nothing else.

What the grammar leaves out (Appendix C) is kept out here: equal names, depth, sizes, ranges of
numbers, NFC, and which members of a server's message are there together.
"""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from chatroom_protocol.errors import ProtocolViolation
from chatroom_protocol.framing import Decoder
from tests.spec.corpus import OBJECTS, ODD_OBJECTS, STREAMS
from tests.spec.documents import GRAMMAR, SCHEMAS, matches, schema, schema_names
from tests.spec.peers import takes

TO_SERVER = {
    "client-join": "join",
    "client-message": "client-message",
    "client-disconnect": "client-disconnect",
    "client-ping": "client-ping",
    "client-pong": "client-pong",
}
TO_CLIENT = {
    "server-join-response": "heard-response",
    "server-message": "heard-message",
    "server-disconnect": "heard-disconnect",
    "server-roster": "heard-roster",
    "server-ping": "heard-ping",
    "server-pong": "heard-pong",
}
FROM_SERVER = {
    "server-join-response": "join-response",
    "server-message": "server-message",
    "server-disconnect": "server-disconnect",
    "server-roster": "roster",
    "server-ping": "server-ping",
    "server-pong": "server-pong",
}


def decodes(octets: bytes) -> bool:
    """Whether the decoder takes all of it without a violation, and no frame is left open."""
    decoder = Decoder(1 << 20, 256)
    found = decoder.receive_data(octets)
    closed = decoder.receive_data(b"{}")
    return not any(isinstance(item, ProtocolViolation) for item in found) and closed == [{}]


@pytest.mark.parametrize("octets", STREAMS, ids=repr)
def test_a_stream(octets: bytes) -> None:
    assert matches("stream", octets) == decodes(octets)


@pytest.mark.parametrize(
    ("name", "rule"),
    [pytest.param(name, rule) for name, rule in [*TO_SERVER.items(), *TO_CLIENT.items()]],
)
def test_frames_that_a_peer_acts_on(name: str, rule: str) -> None:
    differing = [
        (text, takes(name, text.encode()))
        for text in OBJECTS
        if matches(rule, text.encode()) != takes(name, text.encode())
    ]
    assert differing == []


@pytest.mark.parametrize("name", TO_SERVER)
def test_schemas_of_client_frames(name: str) -> None:
    differing = [
        text
        for text in OBJECTS
        if schema(name).is_valid(json.loads(text)) != takes(name, text.encode())
    ]
    assert differing == []


@pytest.mark.parametrize("name", FROM_SERVER)
def test_schemas_of_server_frames(name: str) -> None:
    """The schema says more than the grammar: all five members, names once, whom a notice is for."""
    for text in OBJECTS:
        valid, fits = (
            schema(name).is_valid(json.loads(text)),
            matches(FROM_SERVER[name], text.encode()),
        )
        if valid:
            assert fits, text
            assert takes(name, text.encode()), text
        elif fits:
            errors = {error.validator for error in schema(name).iter_errors(json.loads(text))}
            assert errors <= {"required", "uniqueItems", "anyOf"}, text


def test_the_corpus_has_both_sides_of_every_edge() -> None:
    for rules in (TO_SERVER, TO_CLIENT, FROM_SERVER):
        for rule in rules.values():
            found = {matches(rule, text.encode()) for text in OBJECTS}
            assert found == {True, False}, rule


@pytest.mark.parametrize("name", schema_names())
def test_a_schema_is_one_and_open_to_unknown_members(name: str) -> None:
    content = json.loads((SCHEMAS / f"{name}.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(content)
    assert content["$id"] == f"urn:chatroom:1:{name}"
    assert "additionalProperties" not in content
    for text in ODD_OBJECTS:
        members = json.loads(text)
        extended = {"x-unknown": [{}], **members}
        assert schema(name).is_valid(members) == schema(name).is_valid(extended)


def test_every_rule_is_defined_once_and_used() -> None:
    text = GRAMMAR.read_text(encoding="utf-8")
    defined = re.findall(r"^([a-z][a-z0-9-]*) +=", text, re.MULTILINE)
    assert len(defined) == len(set(defined))
    words = re.findall(r"(?<![a-z0-9-])[a-z][a-z0-9-]*", re.sub(r"^;.*$", "", text, flags=re.M))
    roots = {"stream", *TO_SERVER.values(), *TO_CLIENT.values(), *FROM_SERVER.values()}
    assert [rule for rule in defined if words.count(rule) < 2 and rule not in roots] == []


_leaf = st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False)
_text = st.text(max_size=3)
_json = st.recursive(
    _leaf | _text,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(_text, inner, max_size=2),
    max_leaves=4,
)
_frame = st.dictionaries(st.sampled_from(["message", "dm", "username"]) | _text, _json, max_size=3)


@settings(max_examples=60, deadline=None)
@given(st.lists(_frame, max_size=2), st.data())
def test_streams_with_one_octet_changed(frames: list[object], data: st.DataObject) -> None:
    octets = bytearray(b"\n".join(json.dumps(frame).encode() for frame in frames))
    if octets:
        place = data.draw(st.integers(0, len(octets) - 1))
        octets[place] = data.draw(st.sampled_from(b'{}[]",:\\ \n0-eu\x00\x80\xc3a'))
    found = Decoder(1 << 20, 256).receive_data(bytes(octets))
    outside = {"duplicate-name", "number-out-of-range"}
    if any(isinstance(item, ProtocolViolation) and item.code.value in outside for item in found):
        return
    assert matches("stream", bytes(octets)) == decodes(bytes(octets))
