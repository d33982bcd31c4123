"""What the decoder promises for all octets there are, and however they are cut."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chatroom_protocol import (
    Decoder,
    LocalProtocolError,
    ProtocolViolation,
    ViolationCode,
    encode,
)
from chatroom_protocol import strategies as chat
from tests.protocol import oracle

# Small limits, so that drawn streams come up against them.
OCTETS, DEPTH = 160, 6
STREAMS = chat.streams(liberties=True, max_frame_octets=OCTETS, max_depth=DEPTH)
ANYTHING = chat.hostile_bytes() | STREAMS.map(lambda stream: stream.data)
Item = dict[str, Any] | ProtocolViolation


def receive(pieces: list[bytes], octets: int = OCTETS, depth: int = DEPTH) -> list[Item]:
    decoder = Decoder(octets, depth)
    found: list[Item] = []
    for piece in pieces:
        found += decoder.receive_data(piece)
        assert len(decoder._buffer) < octets
    return found


@given(STREAMS)
def test_the_good_frames_and_then_one_violation_are_found(stream: chat.Stream) -> None:
    found = receive(stream.pieces)
    if stream.fault is None:
        assert found == stream.objects
        return
    *objects, last = found
    assert objects == stream.objects
    assert isinstance(last, ProtocolViolation)
    assert last.code is stream.fault.code
    start = stream.data.index(stream.fault.data)
    assert start <= last.offset <= len(stream.data)


@given(ANYTHING, st.data())
def test_cuts_change_nothing(octets: bytes, data: st.DataObject) -> None:
    whole = receive([octets])
    assert receive(data.draw(chat.cuts(octets))) == whole
    assert receive([octets[i : i + 1] for i in range(len(octets))]) == whole


@given(ANYTHING)
def test_any_octets_give_objects_and_at_most_one_violation_last(octets: bytes) -> None:
    found = receive([octets, b"{}" * 3])
    assert all(isinstance(item, dict) for item in found[:-1])


@given(ANYTHING, st.sampled_from([(OCTETS, DEPTH), (20, 2), (4096, 16)]))
@example(b'{"":""}', (7, 1))
@example(b'{"":"" ', (7, 1))
@example(b'{"a":[[]]}', (4096, 2))
@example(b'{"a":"\\', (64, 2))
@example(b'{"a":-0}{"a":-0.0}{"a":0e99999}', (4096, 2))
def test_the_oracle_agrees(octets: bytes, limits: tuple[int, int]) -> None:
    agree(octets, *limits)


def agree(octets: bytes, max_octets: int, max_depth: int) -> None:
    found = receive([octets], max_octets, max_depth)
    objects, fault = oracle.decode(octets, max_octets, max_depth)
    violations = [item for item in found if isinstance(item, ProtocolViolation)]
    assert [item for item in found if isinstance(item, dict)] == objects
    assert [item.code for item in violations] == ([fault.code] if fault else [])
    if fault and fault.offset is not None:
        assert violations[0].offset == fault.offset


@given(chat.objects(), st.data())
def test_every_spelling_of_an_object_is_that_object(
    members: dict[str, Any], data: st.DataObject
) -> None:
    octets = data.draw(chat.spellings(members))
    assert receive([octets], 65536, 32) == [members]


@given(chat.objects())
def test_what_is_encoded_is_one_line_of_ascii_that_decodes_to_the_same(
    members: dict[str, Any],
) -> None:
    octets = encode(members, 65536)
    assert octets.isascii()
    assert octets.count(b"\n") == 1
    assert octets.endswith(b"}\n")
    assert receive([octets], 65536, 32) == [members]


@given(chat.objects())
def test_what_is_too_large_escaped_is_encoded_as_utf_8_or_refused(members: dict[str, Any]) -> None:
    escaped, plain = encode(members, 65536), json.dumps(members, ensure_ascii=False).encode()
    try:
        octets = encode(members, len(escaped) - 2)
    except LocalProtocolError:
        assert plain.isascii()
        return
    assert len(octets) < len(escaped)
    assert octets.count(b"\n") == 1
    assert receive([octets], 65536, 32) == [members]


# Where other strict parsers differ from the profile of Section 4, and why each may:
#   orjson reads integers beyond 64 bits as floats, msgspec keeps them: both within [JSON-9];
#   both take the last of two members of one name: [JSON-11] leaves that to the receiver;
#   orjson takes 1e999 as an error, msgspec too: [JSON-12] leaves that to the receiver;
#   neither has a limit of 32 levels: limits are no part of the grammar.
LIBERTIES = {ViolationCode.DUPLICATE_NAME, ViolationCode.NUMBER_OUT_OF_RANGE}
PARSERS: dict[str, tuple[Callable[[bytes], Any], tuple[type[Exception], ...]]] = {
    "orjson": (orjson.loads, (orjson.JSONDecodeError,)),
    "msgspec": (msgspec.json.decode, (msgspec.DecodeError, UnicodeDecodeError, RecursionError)),
}


def same(ours: Any, theirs: Any) -> bool:
    """Equal, but that an integer may have become the double next to it."""
    if isinstance(ours, dict):
        return ours.keys() == theirs.keys() and all(same(ours[n], theirs[n]) for n in ours)
    if isinstance(ours, list):
        return len(ours) == len(theirs) and all(map(same, ours, theirs))
    if isinstance(ours, int) and isinstance(theirs, float):
        return math.isclose(ours, theirs)
    return bool(ours == theirs)


def frames_of(octets: bytes) -> list[bytes]:
    """Cut a stream into frames by the oracle's eyes: brackets alone."""
    frames, place = [], 0
    while place < len(octets):
        if octets[place] in b" \t\n\r":
            place += 1
            continue
        try:
            end = oracle.find_end(octets, place, 65536, 32)
        except oracle.FrameError:
            break
        if end is None:
            break
        frames.append(octets[place:end])
        place = end
    return frames


@pytest.mark.parametrize("name", PARSERS)
@given(chat.hostile_bytes() | chat.streams(liberties=True).map(lambda stream: stream.data))
def test_another_strict_parser_agrees_on_every_frame(name: str, octets: bytes) -> None:
    check_parser(name, octets)


@pytest.mark.parametrize("name", PARSERS)
@pytest.mark.parametrize("fault", chat.FAULTS, ids=lambda fault: ascii(fault.data)[:60])
def test_another_strict_parser_agrees_on_every_planted_fault(name: str, fault: chat.Fault) -> None:
    check_parser(name, fault.data)


def check_parser(name: str, octets: bytes) -> None:
    loads, errors = PARSERS[name]
    for frame in frames_of(octets):
        [ours] = receive([frame], 65536, 32)
        try:
            theirs = loads(frame)
        except errors:
            assert isinstance(ours, ProtocolViolation)
            continue
        if isinstance(ours, ProtocolViolation):
            assert ours.code in LIBERTIES
        else:
            assert same(ours, theirs)
