"""The strategies give what they say, and break parsers that have bugs."""

from __future__ import annotations

from typing import TypeVar

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from chatroom_protocol import (
    Decoder,
    Join,
    ProtocolViolation,
    Room,
    ViolationCode,
    username_fault,
)
from chatroom_protocol import strategies as chat
from chatroom_protocol.frames import (
    ClientFrame,
    ServerFrame,
    parse_client_frame,
    parse_join,
    parse_server_frame,
    token_fault,
)
from tests.protocol.rooms import NOW, World, clock
from tests.protocol.stranger import ForgetsTheEscape, LosesWhatWasGood, ReplacesBadOctets, Stranger

T = TypeVar("T")


def broken(parser: type[Stranger]) -> bool:
    """Whether the strategies find a fault in a parser, within 150 streams."""

    @settings(
        max_examples=150,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(chat.streams())
    def try_it(stream: chat.Stream) -> None:
        stranger = parser()
        for piece in stream.pieces:
            stranger.feed(piece)
        assert stranger.objects == stream.objects
        assert stranger.failed == (stream.fault is not None)

    try:
        try_it()
    except AssertionError:
        return True
    return False


@pytest.mark.parametrize("parser", [ForgetsTheEscape, LosesWhatWasGood, ReplacesBadOctets])
def test_a_parser_with_a_bug_is_broken(parser: type[Stranger]) -> None:
    assert broken(parser)


def test_the_same_parser_without_a_bug_is_not() -> None:
    assert not broken(Stranger)


@given(chat.usernames(), chat.bad_usernames(), chat.tokens(), chat.texts(5))
def test_names_tokens_and_texts_are_what_they_are_called(
    good: str, bad: str, token: str, text: str
) -> None:
    assert username_fault(good) is None
    assert username_fault(bad) is not None
    assert token_fault(token) is None
    assert len(text) <= 5


@given(chat.client_frames() | chat.joins())
def test_client_frames_are_read_back_as_themselves(frame: ClientFrame) -> None:
    if isinstance(frame, Join):
        assert parse_join(frame.members()) == frame
    else:
        assert parse_client_frame(frame.members(), ("ping",)) == frame


@given(chat.server_frames())
def test_server_frames_are_read_back_as_themselves(frame: ServerFrame) -> None:
    assert parse_server_frame(frame.members()) == frame


@given(st.binary(max_size=20), st.data())
def test_cuts_join_to_the_whole(octets: bytes, data: st.DataObject) -> None:
    assert b"".join(data.draw(chat.cuts(octets))) == octets


@pytest.mark.parametrize("fault", chat.FAULTS, ids=lambda fault: ascii(fault.data)[:60])
def test_each_fault_is_noticed_by_its_last_octet_and_called_by_its_code(fault: chat.Fault) -> None:
    found = Decoder(4096, 16).receive_data(fault.data)
    assert [type(item) for item in found] == [ProtocolViolation]
    assert isinstance(found[0], ProtocolViolation)
    assert found[0].code is fault.code


def test_faults_are_of_every_kind_there_is() -> None:
    by_size = {ViolationCode.TOO_LARGE, ViolationCode.TOO_DEEP}
    assert {fault.code for fault in chat.FAULTS} == set(ViolationCode) - by_size


@pytest.mark.parametrize("liberties", [False, True])
def test_liberties_are_planted_on_request_alone(liberties: bool) -> None:
    found = {fault.liberty for fault in drawn(chat.faults(liberties=liberties), 300)}
    assert found == {False, liberties}


def test_faults_are_within_the_limits_given_unless_that_is_what_they_are() -> None:
    found = drawn(chat.faults(liberties=True, max_frame_octets=100, max_depth=2), 300)
    for fault in found:
        [violation] = Decoder(100, 2).receive_data(fault.data)
        assert isinstance(violation, ProtocolViolation)
        assert violation.code is fault.code
    assert {ViolationCode.TOO_LARGE, ViolationCode.TOO_DEEP} < {fault.code for fault in found}


@given(chat.conversations(hostile=True))
def test_conversations_are_such_as_a_server_can_have(steps: list[chat.Step]) -> None:
    seen: set[int] = set()
    gone: set[int] = set()
    world = World(Room(clock))
    for step in steps:
        key = str(step.client)
        assert step.client not in gone
        assert (step.happening is chat.Happening.CONNECT) == (step.client not in seen)
        seen.add(step.client)
        if step.happening is chat.Happening.CONNECT:
            world.connect(key)
        elif step.happening is chat.Happening.DATA:
            world.data(key, step.data)
        else:
            gone.add(step.client)
            world.eof(key) if step.happening is chat.Happening.END_OF_STREAM else world.lose(key)
    assert len(world.room.usernames) <= len(seen - gone)


def test_conversations_without_hostility_get_people_talking() -> None:
    sizes = set()
    for steps in drawn(chat.conversations(max_steps=40), 40):
        room: Room[int] = Room(clock)
        for step in steps:
            if step.happening is chat.Happening.CONNECT:
                room.connection_made(step.client, NOW)
            elif step.happening is chat.Happening.DATA:
                room.receive_data(step.client, step.data, NOW)
                sizes.add(len(room.usernames))
    assert {1, 2, 3} <= sizes


def drawn(strategy: st.SearchStrategy[T], count: int) -> list[T]:
    """Give examples of a strategy, the same ones every time."""
    found: list[T] = []

    @settings(
        max_examples=count,
        phases=[Phase.generate],
        database=None,
        derandomize=True,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def collect(example: T) -> None:
        found.append(example)

    collect()
    return found
