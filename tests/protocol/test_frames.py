"""Frames: which object is which, and which names are acceptable."""

from __future__ import annotations

import sys
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatroom_protocol import (
    ClientMessage,
    Disconnect,
    ErrorCode,
    Join,
    JoinResponse,
    Ping,
    Pong,
    Refusal,
    Rejection,
    RejectionCode,
    Roster,
    ServerMessage,
    username_fault,
)
from chatroom_protocol import strategies as chat
from chatroom_protocol.frames import (
    parse_client_frame,
    parse_join,
    parse_server_frame,
    text_fault,
    token_fault,
)

CONTROL = [chr(code) for code in (*range(0x20), *range(0x7F, 0xA0))]
BIDI = [chr(code) for code in (0x61C, 0x200E, 0x200F, *range(0x202A, 0x202F))]
BIDI += [chr(code) for code in range(0x2066, 0x206A)]
WHITE = [chr(code) for code in (*range(9, 14), 0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B))]
WHITE += ["\u2028", "\u2029", "\u202f", "\u205f", "\u3000"]


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("", "at least one"),
        ("a" * 65, "at most 64 characters, not 65"),
        ("a" * 12345, "not 12,345"),
        ("\U0001f600" * 63 + "\u00e9" * 1 + "", None),
        ("\U0001f600" * 63 + "abc", "at most 64 characters"),
        ("\U0001f600" * 64, "at most 255 octets in UTF-8, not 256"),
        ("\U0001f600" * 63 + "\u4e2d", None),
        ("a\ud800", "surrogate"),
        ("e\u0301", "NFC"),
        ("\u212b", "NFC"),
        ("a\u0378b", None),
        ("a\uffffb", None),
        ("a b", None),
        ("\U0001f468\u200d\U0001f469", None),
        ("a" * 64, None),
    ],
)
def test_username_fault(name: str, word: str | None) -> None:
    fault = username_fault(name)
    assert (fault is None) if word is None else (fault and word in fault)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", "a username has at least one character"),
        ("a" * 1065, "a username has at most 64 characters, not 1,065"),
        ("\ud800", "a username is Unicode text, without half of a surrogate pair"),
        ("\U0001f600" * 64, "a username has at most 255 octets in UTF-8, not 256"),
        ("a\x00", "a username has no control characters"),
        ("a\u200e", "a username has no characters that control the direction of text"),
        ("a ", "a username does not begin or end with white space"),
        ("e\u0301", "a username is in Unicode normalization form NFC"),
    ],
)
def test_a_username_fault_says_in_words_what_is_wrong(name: str, words: str) -> None:
    assert username_fault(name) == words


def test_control_and_direction_characters_are_refused_anywhere_in_a_name() -> None:
    for character in CONTROL + BIDI:
        for name in (character, f"a{character}", f"{character}a", f"a{character}a"):
            assert username_fault(name), ascii(name)


def test_white_space_is_refused_at_either_end_of_a_name_and_nowhere_else() -> None:
    for character in WHITE:
        assert username_fault(f"{character}a"), ascii(character)
        assert username_fault(f"a{character}"), ascii(character)
        normal = unicodedata.is_normalized("NFC", character)
        if character not in CONTROL and normal:
            assert username_fault(f"a{character}a") is None, ascii(character)


def test_no_other_character_is_refused_in_the_middle_of_a_name() -> None:
    refused = {*CONTROL, *BIDI}
    for code in range(sys.maxunicode + 1):
        if 0xD800 <= code < 0xE000:
            continue
        name = f"a{chr(code)}a"
        accepted = chr(code) not in refused and unicodedata.is_normalized("NFC", name)
        assert (username_fault(name) is None) == accepted, ascii(name)


@given(st.text(st.characters(exclude_categories=[]), max_size=70))
def test_a_sentence_is_given_for_every_other_text(name: str) -> None:
    fault = username_fault(name)
    assert fault is None or fault.startswith("a username ")


def test_tokens_and_texts_are_refused_for_length_and_surrogates_alone() -> None:
    assert token_fault("\U0001f600" * 64) is None
    assert "at most 64 characters, not 65" in str(token_fault("x" * 65))
    assert "surrogate" in str(token_fault("\udfff"))
    assert text_fault("a\ud800b") == "a text is Unicode, without half of a surrogate pair"
    assert text_fault("\x00\uffff" * 5000) is None


NOT_A_JOIN = ErrorCode.NOT_A_JOIN
NOT_TRUE: list[Any] = [False, None, 1, "true", [], {}]
NOT_STRINGS: list[Any] = [5, None, True, [], {}]
NOT_NAMES: list[Any] = [5, 0, False, [], {}]


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"username": "a"}, Join("a")),
        ({"username": "a", "disconnect": True, "message": "x"}, Join("a")),
        ({"username": "a", "extensions": ["ping", "x", "ping"]}, Join("a", ("ping", "x"))),
        ({"username": "a", "extensions": []}, Join("a")),
        ({"username": "a", "extensions": ["ping", 5]}, Join("a")),
        ({"username": "a", "extensions": "ping"}, Join("a")),
        ({"username": "a", "extensions": {"ping": 1}}, Join("a")),
        ({}, NOT_A_JOIN),
        ({"message": "x"}, NOT_A_JOIN),
        ({"Username": "a"}, NOT_A_JOIN),
        ({"username": None}, NOT_A_JOIN),
        ({"username": 5}, NOT_A_JOIN),
        ({"username": ["a"]}, NOT_A_JOIN),
        ({"username": ""}, ErrorCode.BAD_USERNAME),
        ({"username": " a"}, ErrorCode.BAD_USERNAME),
    ],
)
def test_the_first_frame_of_a_client(members: dict[str, Any], expected: Any) -> None:
    found = parse_join(members)
    assert (found.code if isinstance(found, Refusal) else found) == expected


def test_what_is_no_join_is_told_what_would_be_one() -> None:
    words = "the first frame is a join, with a username that is a string"
    assert parse_join({"message": "x"}) == Refusal(NOT_A_JOIN, words)


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"disconnect": True}, Disconnect()),
        ({"disconnect": True, "sender": "a", "message": 5}, Disconnect("a")),
        ({"disconnect": True, "sender": 5}, Disconnect()),
        *[
            ({"disconnect": value, "message": "x"}, RejectionCode.BAD_DISCONNECT)
            for value in NOT_TRUE
        ],
        ({"message": "x"}, ClientMessage("x")),
        ({"message": "", "dm": None, "sender": "me"}, ClientMessage("", None, "me")),
        ({"message": "x", "dm": "", "sender": 5, "length": "?"}, ClientMessage("x")),
        ({"message": "x", "dm": "bob"}, ClientMessage("x", "bob")),
        ({"message": "x", "ping": "1"}, ClientMessage("x")),
        *[({"message": value}, RejectionCode.BAD_MESSAGE) for value in NOT_STRINGS],
        ({"message": 5, "dm": 5}, RejectionCode.BAD_MESSAGE),
        *[({"message": "x", "dm": v}, RejectionCode.BAD_DM) for v in NOT_NAMES],
        ({"ping": "1"}, Ping("1")),
        ({"ping": ""}, Ping("")),
        ({"ping": "x" * 65}, RejectionCode.BAD_PING),
        ({"ping": 1}, RejectionCode.BAD_PING),
        ({"ping": None, "pong": "1"}, RejectionCode.BAD_PING),
        ({"pong": "1"}, Pong("1")),
        ({"username": "b"}, None),
        ({"isConnected": True}, None),
        ({"roster": ["a"]}, None),
        ({"Message": "x"}, None),
        ({}, None),
    ],
)
def test_a_frame_of_a_joined_client(members: dict[str, Any], expected: Any) -> None:
    found = parse_client_frame(members, ("ping",))
    if isinstance(found, Rejection):
        assert found.detail
    assert (found.code if isinstance(found, Rejection) else found) == expected


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"disconnect": 1}, "disconnect has to be true; anything else does nothing"),
        (
            {"message": 5},
            "the message was not delivered, because message has to be a string",
        ),
        (
            {"message": "", "dm": 5},
            "the message was not delivered, because dm has to be a username, or null for everyone",
        ),
        ({"ping": 5}, "a ping token is a string"),
        ({"ping": "x" * 65}, "a ping token has at most 64 characters, not 65"),
    ],
)
def test_a_rejection_says_in_words_what_is_wrong(members: dict[str, Any], words: str) -> None:
    found = parse_client_frame(members, ("ping",))
    assert isinstance(found, Rejection)
    assert found.detail == words


@pytest.mark.parametrize("members", [{"ping": "1"}, {"pong": "1"}, {"ping": 5}])
def test_extensions_not_granted_are_frames_of_no_kind(members: dict[str, Any]) -> None:
    assert parse_client_frame(members, ("roster",)) is None


HELLO = {"message": "hi", "dm": None, "sender": "a", "length": 2, "date": "now"}


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"isConnected": True, "errorCode": -1}, JoinResponse(True, -1)),
        ({"isConnected": True, "errorCode": -1, "disconnect": True}, JoinResponse(True, -1)),
        ({"isConnected": 1, "errorCode": -1}, JoinResponse(False, -1)),
        ({"isConnected": None}, JoinResponse(False, None)),
        ({"isConnected": False, "errorCode": True}, JoinResponse(False, None)),
        ({"isConnected": False, "errorCode": 1.0}, JoinResponse(False, None)),
        ({"isConnected": False, "errorCode": 1234}, JoinResponse(False, 1234)),
        (
            {"isConnected": True, "errorCode": -1, "extensions": ["ping"]},
            JoinResponse(True, -1, ("ping",)),
        ),
        ({"disconnect": True, "message": "hi", "sender": "a"}, Disconnect()),
        ({"disconnect": 1, "message": "hi", "sender": "a"}, None),
        (HELLO, ServerMessage("hi", None, "a", 2, "now")),
        ({**HELLO, "dm": "b"}, ServerMessage("hi", "b", "a", 2, "now")),
        ({**HELLO, "dm": ""}, ServerMessage("hi", None, "a", 2, "now")),
        ({**HELLO, "length": True, "date": 5}, ServerMessage("hi", None, "a", 2, "")),
        ({**HELLO, "length": 7}, ServerMessage("hi", None, "a", 7, "now")),
        ({"message": "hi", "sender": "a"}, ServerMessage("hi", None, "a", 2, "")),
        ({**HELLO, "message": 5}, None),
        ({**HELLO, "sender": None}, None),
        ({"message": "hi"}, None),
        ({**HELLO, "dm": 5}, None),
        ({"roster": ["a", "b"], "ping": "1"}, Roster(("a", "b"))),
        ({"roster": []}, Roster(())),
        ({"roster": ["a", 5]}, None),
        ({"roster": "a"}, None),
        ({"roster": None, "ping": "1"}, None),
        ({"ping": "1", "pong": "2"}, Ping("1")),
        ({"ping": 1, "pong": "2"}, None),
        ({"pong": "2"}, Pong("2")),
        ({"pong": "x" * 65}, None),
        ({"username": "a"}, None),
        ({}, None),
    ],
)
def test_a_frame_of_a_server(members: dict[str, Any], expected: Any) -> None:
    assert parse_server_frame(members) == expected


@given(chat.objects() | st.dictionaries(st.sampled_from([*HELLO, "ping"]), chat.json_values()))
def test_every_object_is_some_frame_or_none(members: dict[str, Any]) -> None:
    parse_join(members)
    for granted in ((), ("ping", "roster")):
        parse_client_frame(members, granted)
    parse_server_frame(members)


def server_message(text: str, dm: str | None, sender: str) -> ServerMessage:
    return ServerMessage(text, dm, sender, len(text), "")


@pytest.mark.parametrize(
    ("frame", "is_what"),
    [
        (server_message("hi", None, "a"), ""),
        (server_message("hi", "b", "a"), "is_private"),
        (server_message("hi", "b", ""), "is_notice"),
        (server_message("hi", None, ""), "is_notice"),
        (server_message("User has connected", None, "a"), "announces_join"),
        (server_message("User has connected", "b", "a"), "is_private"),
        (server_message("User has connected", None, ""), "is_notice"),
        (server_message("a is offline\n", None, "a"), "announces_leave"),
        (server_message("a is offline", None, "a"), ""),
        (server_message("b is offline\n", None, "a"), ""),
        (server_message("a is offline\n", "b", "a"), "is_private"),
        (server_message(" is offline\n", None, ""), "is_notice"),
        (server_message("{} is offline\n", None, "{}"), "announces_leave"),
    ],
)
def test_what_a_server_message_is(frame: ServerMessage, is_what: str) -> None:
    names = ("is_notice", "is_private", "announces_join", "announces_leave")
    assert {name for name in names if getattr(frame, name)} == ({is_what} if is_what else set())


@pytest.mark.parametrize(
    ("frame", "members"),
    [
        (Join("a"), {"username": "a"}),
        (Join("a", ("ping",)), {"username": "a", "extensions": ["ping"]}),
        (JoinResponse(False, ErrorCode.SERVER_FULL), {"isConnected": False, "errorCode": 2}),
        (JoinResponse(False, None), {"isConnected": False, "errorCode": None}),
        (
            JoinResponse(True, -1, ("ping", "roster")),
            {"isConnected": True, "errorCode": -1, "extensions": ["ping", "roster"]},
        ),
        (ClientMessage("hi"), {"message": "hi", "dm": None, "sender": ""}),
        (ServerMessage("hi", None, "a", 2, "now"), HELLO),
        (Disconnect(), {"disconnect": True}),
        (Disconnect("a"), {"disconnect": True, "sender": "a"}),
        (Roster(("a",)), {"roster": ["a"]}),
        (Ping("1"), {"ping": "1"}),
        (Pong("1"), {"pong": "1"}),
    ],
)
def test_the_members_of_a_frame(frame: Any, members: dict[str, Any]) -> None:
    assert frame.members() == members
    assert list(frame.members()) == list(members)
    assert type(frame.members().get("errorCode")) in (int, type(None))
