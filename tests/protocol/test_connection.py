"""One connection, either end: what it tells, what it queues, and what misuse does not change."""

from __future__ import annotations

import json
import time
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from chatroom_protocol import (
    ClientConnection,
    ClientLimits,
    ClientMessage,
    ClientState,
    Disconnect,
    EndOfStream,
    ErrorCode,
    Join,
    JoinResponse,
    LocalProtocolError,
    Ping,
    Pong,
    ProtocolViolation,
    Refusal,
    Rejection,
    RejectionCode,
    Roster,
    ServerConnection,
    ServerLimits,
    ServerMessage,
    ServerState,
    ViolationCode,
)
from chatroom_protocol.connection import format_date
from tests.protocol.rooms import DATE, clock, line, message

ENDED = r"^nothing can be received after the end of the stream$"
UNDECIDED = r"^the join has to be accepted or refused before more is received$"


def sent(connection: ClientConnection | ServerConnection) -> list[Any]:
    return [json.loads(frame) for frame in connection.data_to_send().splitlines()]


def joined_client(*extensions: str, **limits: int) -> ClientConnection:
    client = ClientConnection(ClientLimits(**limits), extensions)
    client.join("me")
    answer: dict[str, Any] = {"isConnected": True, "errorCode": -1}
    if extensions:
        answer["extensions"] = list(extensions)
    client.receive_data(line(answer))
    client.data_to_send()
    return client


def joined_server(*extensions: str) -> ServerConnection:
    server = ServerConnection(clock)
    server.receive_data(line({"username": "me", "extensions": list(extensions)}))
    server.accept(extensions)
    server.data_to_send()
    return server


class TestClient:
    def test_joining_sends_the_name_and_the_extensions_asked_for(self) -> None:
        client = ClientConnection(extensions=("roster",))
        assert (client.username, client.granted, client.roster) == (None, frozenset(), None)
        client.join("me")
        assert sent(client) == [{"username": "me", "extensions": ["roster"]}]
        assert client.username == "me"
        assert client.data_to_send() == b""

    def test_only_what_was_asked_for_counts_as_granted(self) -> None:
        client = ClientConnection(extensions=("roster", "x-mine"))
        client.join("me")
        answer = {"isConnected": True, "errorCode": -1, "extensions": ["ping", "roster"]}
        assert client.receive_data(line(answer)) == [JoinResponse(True, -1, ("ping", "roster"))]
        assert client.granted == {"roster"}

    def test_a_refusal_ends_the_connection_and_what_follows_it_is_dropped(self) -> None:
        client = ClientConnection()
        client.join("me")
        octets = line({"isConnected": False, "errorCode": 1}) + line(message("b", "leak"))
        assert client.receive_data(octets) == [JoinResponse(False, 1)]
        assert client.close_expected
        assert client.receive_data(line(message("b", "leak"))) == []
        assert client.receive_eof() == []

    def test_before_the_response_messages_are_ignored(self) -> None:
        client = ClientConnection(extensions=("roster", "ping"))
        leak = line(message("b", "hi")) + line({"roster": ["b"]}) + line({"ping": "1"})
        assert client.receive_data(leak) == []
        client.join("me")
        assert client.receive_data(leak) == []
        assert client.roster is None
        assert len(sent(client)) == 1

    def test_what_is_said_goes_out_under_the_name_that_joined(self) -> None:
        client = joined_client()
        client.say("hi")
        client.say("", dm="bob")
        client.say("all", dm="")
        assert sent(client) == [
            {"message": "hi", "dm": None, "sender": "me"},
            {"message": "", "dm": "bob", "sender": "me"},
            {"message": "all", "dm": None, "sender": "me"},
        ]

    @pytest.mark.parametrize(
        ("call", "sentence"),
        [
            (lambda c: c.join(" me"), "^joining is not possible while joined$"),
            (lambda c: c.say("\ud800"), "^a text is Unicode, without half of a surrogate pair$"),
            (lambda c: c.say("x", dm="\ud800"), "without half of a surrogate pair$"),
            (lambda c: c.say("x" * 5000), r"takes 5,03\d octets, and at most 4,096 can be sent$"),
            (lambda c: c.ping("1"), "^the server did not grant the extension ping$"),
            (lambda c: c.send(Pong("1")), "^the server did not grant the extension ping$"),
        ],
    )
    def test_misuse_is_refused_in_a_sentence_and_changes_nothing(
        self, call: Any, sentence: str
    ) -> None:
        client = joined_client()
        with pytest.raises(LocalProtocolError, match=sentence):
            call(client)
        assert client.state is ClientState.JOINED
        assert client.username == "me"
        assert client.data_to_send() == b""

    @pytest.mark.parametrize("name", ["", " a", "e\u0301", "\ud800", "x" * 65])
    def test_a_name_that_no_server_grants_is_not_even_sent(self, name: str) -> None:
        client = ClientConnection()
        with pytest.raises(LocalProtocolError, match=r"^a (username|text) "):
            client.join(name)
        assert client.state is ClientState.IDLE
        assert client.username is None
        assert client.data_to_send() == b""

    def test_an_extension_name_has_to_be_text(self) -> None:
        client = ClientConnection(extensions=("x-\ud800",))
        with pytest.raises(LocalProtocolError, match="surrogate"):
            client.join("me")

    def test_a_token_too_long_is_refused(self) -> None:
        client = joined_client("ping")
        client.ping("x" * 64)
        with pytest.raises(LocalProtocolError, match="at most 64 characters, not 65"):
            client.ping("x" * 65)
        assert sent(client) == [{"ping": "x" * 64}]

    def test_a_ping_is_answered_and_a_pong_told(self) -> None:
        client = joined_client("ping")
        octets = line({"ping": "1"}) + line({"pong": "2"})
        assert client.receive_data(octets) == [Ping("1"), Pong("2")]
        assert sent(client) == [{"pong": "1"}]

    def test_extensions_that_were_not_granted_are_ignored(self) -> None:
        client = joined_client()
        octets = line({"ping": "1"}) + line({"pong": "2"}) + line({"roster": ["b"]})
        assert client.receive_data(octets) == []
        assert client.data_to_send() == b""
        assert client.roster is None

    def test_the_roster_follows_who_comes_and_goes(self) -> None:
        client = joined_client("roster")
        assert client.roster is None
        client.receive_data(line(message("early", "User has connected")))
        assert client.receive_data(line({"roster": ["b", "me"]})) == [Roster(("b", "me"))]
        client.receive_data(line(message("c", "User has connected")))
        client.receive_data(line(message("b", "b is offline\n")))
        client.receive_data(line(message("b", "b is offline\n")))
        client.receive_data(line(message("d", "hello")))
        client.receive_data(line(message("c", "c is offline\n", dm="me")))
        assert client.roster == ("me", "c")

    def test_after_leaving_it_still_hears_but_says_nothing(self) -> None:
        client = joined_client("ping", "roster")
        client.leave()
        assert sent(client) == [{"disconnect": True, "sender": "me"}]
        events = client.receive_data(line(message("b", "hi")) + line({"ping": "1"}))
        assert events == [ServerMessage("hi", None, "b", 2, DATE)]
        assert client.data_to_send() == b""
        assert client.receive_data(line({"disconnect": True}) + b"x") == [Disconnect()]
        assert client.close_expected

    def test_a_second_response_is_ignored(self) -> None:
        client = joined_client("ping")
        assert client.receive_data(line({"isConnected": False, "errorCode": 2})) == []
        assert client.state is ClientState.JOINED
        assert client.granted == {"ping"}

    def test_a_violation_of_the_server_is_told_and_answered_with_a_disconnect(self) -> None:
        client = joined_client()
        events = client.receive_data(line(message("b", "hi")) + b"[1]")
        assert events[:1] == [ServerMessage("hi", None, "b", 2, DATE)]
        assert isinstance(events[1], ProtocolViolation)
        assert events[1].code is ViolationCode.NOT_AN_OBJECT
        assert sent(client) == [{"disconnect": True, "sender": "me"}]
        assert client.close_expected

    @pytest.mark.parametrize("state", ["idle", "joining", "leaving"])
    def test_a_violation_at_another_time_is_told_alone(self, state: str) -> None:
        client = joined_client() if state == "leaving" else ClientConnection()
        if state == "joining":
            client.join("me")
        elif state == "leaving":
            client.leave()
        client.data_to_send()
        [event] = client.receive_data(b"x")
        assert isinstance(event, ProtocolViolation)
        assert client.data_to_send() == b""

    def test_the_narrowest_limit_still_lets_every_answer_out(self) -> None:
        name = '"' * 64
        client = ClientConnection(ClientLimits(max_sent_octets=512), ("ping",))
        client.join(name)
        granted = {"isConnected": True, "errorCode": -1, "extensions": ["ping"]}
        client.receive_data(line(granted))
        client.receive_data(line({"ping": "\x00" * 64}) + line({"ping": "\U0001f600" * 64}))
        client.receive_data(b"x")
        frames = sent(client)
        assert frames[1:3] == [{"pong": "\x00" * 64}, {"pong": "\U0001f600" * 64}]
        assert frames[3] == {"disconnect": True, "sender": name}

    def test_the_longest_name_can_leave_within_the_narrowest_limit(self) -> None:
        client = ClientConnection(ClientLimits(max_sent_octets=512))
        client.join("\U0001f600" * 63 + "\u4e2d")
        client.receive_data(line({"isConnected": True, "errorCode": -1}))
        assert isinstance(client.receive_data(b"x")[0], ProtocolViolation)

    def test_its_limits_are_those_given(self) -> None:
        client = joined_client(max_frame_octets=100, max_depth=2)
        [event] = client.receive_data(b'{"a":[[]]}')
        assert isinstance(event, ProtocolViolation)
        assert event.code is ViolationCode.TOO_DEEP
        client = joined_client(max_frame_octets=100)
        [event] = client.receive_data(b'{"a":"' + b"x" * 100)
        assert isinstance(event, ProtocolViolation)
        assert event.code is ViolationCode.TOO_LARGE

    def test_the_end_of_the_stream_is_told_once_and_nothing_can_follow(self) -> None:
        client = joined_client()
        assert client.receive_data(b'{"message"') == []
        assert client.receive_eof() == [EndOfStream()]
        assert client.receive_eof() == []
        assert client.close_expected
        with pytest.raises(LocalProtocolError, match=ENDED):
            client.receive_data(b"")


class TestServer:
    def test_before_a_join_it_has_neither_a_name_nor_extensions(self) -> None:
        server = ServerConnection(clock)
        assert (server.username, server.granted) == (None, frozenset())
        assert not server.close_expected

    def test_a_join_waits_for_a_decision_and_what_follows_waits_with_it(self) -> None:
        server = ServerConnection(clock)
        octets = line({"username": "me"}) + line({"message": "hi"}) + b'{"mess'
        assert server.receive_data(octets) == [Join("me")]
        assert server.username == "me"
        assert server.receive_data(b"") == []
        with pytest.raises(LocalProtocolError, match=UNDECIDED):
            server.receive_data(b'age":""}')
        with pytest.raises(LocalProtocolError, match=UNDECIDED):
            server.receive_eof()
        server.accept()
        assert sent(server) == [{"isConnected": True, "errorCode": -1}]
        assert server.receive_data(b"") == [ClientMessage("hi")]
        assert server.receive_data(b'age":""}') == [ClientMessage("")]

    def test_only_what_was_asked_for_can_be_granted(self) -> None:
        server = ServerConnection(clock)
        server.receive_data(line({"username": "me", "extensions": ["roster"]}))
        with pytest.raises(
            LocalProtocolError, match=r"^only what the join asked for can be granted$"
        ):
            server.accept({"roster", "ping"})
        server.accept({"roster"})
        assert sent(server)[0]["extensions"] == ["roster"]

    def test_granting_names_the_extensions_in_a_fixed_order(self) -> None:
        server = ServerConnection(clock)
        server.receive_data(line({"username": "me", "extensions": ["roster", "ping"]}))
        server.accept({"roster", "ping"})
        assert sent(server)[0]["extensions"] == ["ping", "roster"]
        assert server.granted == {"ping", "roster"}

    @pytest.mark.parametrize(
        ("octets", "code"),
        [
            (b"{}", 4),
            (b"GET / HTTP/1.1\r\n", 4),
            (line({"message": "hi"}), 4),
            (line({"username": 5}), 4),
            (line({"username": ""}), 3),
        ],
    )
    def test_what_is_no_join_is_refused_and_the_rest_discarded(
        self, octets: bytes, code: int
    ) -> None:
        server = ServerConnection(clock)
        [event] = server.receive_data(octets + line({"username": "me"}))
        assert isinstance(event, Refusal)
        assert event.code == code
        assert event.detail
        assert sent(server) == [{"isConnected": False, "errorCode": code}]
        assert server.close_expected
        assert server.receive_data(line({"username": "me"})) == []
        assert server.receive_eof() == [EndOfStream()]
        assert server.data_to_send() == b""

    def test_refusing_a_join_drops_what_waited_behind_it(self) -> None:
        server = ServerConnection(clock)
        server.receive_data(line({"username": "me"}) + line({"message": "hi"}))
        server.refuse(ErrorCode.USERNAME_TAKEN)
        assert server.receive_data(b"") == []
        assert sent(server) == [{"isConnected": False, "errorCode": 1}]

    def test_who_is_slow_to_join_can_be_refused_without_having_asked(self) -> None:
        server = ServerConnection(clock)
        server.refuse(ErrorCode.JOIN_TIMEOUT)
        assert sent(server) == [{"isConnected": False, "errorCode": 5}]
        assert server.state is ServerState.CLOSING

    def test_a_disconnect_is_answered_and_what_follows_is_discarded(self) -> None:
        server = joined_server()
        octets = line({"message": "hi"}) + line({"disconnect": True, "sender": "me"}) + b"x"
        assert server.receive_data(octets) == [ClientMessage("hi"), Disconnect("me")]
        assert sent(server) == [{"disconnect": True}]
        assert server.receive_data(line({"message": "late"})) == []
        assert server.receive_eof() == [EndOfStream()]
        assert server.receive_eof() == []

    def test_a_violation_is_answered_with_a_notice_and_a_disconnect(self) -> None:
        server = joined_server()
        first, violation = server.receive_data(line({"message": "hi"}) + b"x{}")
        assert first == ClientMessage("hi")
        assert isinstance(violation, ProtocolViolation)
        text = (
            "The connection is closed for what you sent: it is not JSON; a frame begins with '{'."
        )
        assert sent(server) == [message("", text, "me"), {"disconnect": True}]
        assert server.state is ServerState.CLOSING

    def test_a_rejection_is_answered_with_a_notice_and_the_client_stays(self) -> None:
        server = joined_server()
        octets = line({"message": 5}) + line({"disconnect": 1}) + line({"message": "hi"})
        bad_message, bad_disconnect, good = server.receive_data(octets)
        assert isinstance(bad_message, Rejection)
        assert isinstance(bad_disconnect, Rejection)
        assert bad_message.code is RejectionCode.BAD_MESSAGE
        assert bad_disconnect.code is RejectionCode.BAD_DISCONNECT
        assert good == ClientMessage("hi")
        assert sent(server) == [
            message("", each.detail[0].upper() + each.detail[1:] + ".", "me")
            for each in (bad_message, bad_disconnect)
        ]

    def test_a_ping_is_answered_where_granted_and_ignored_elsewhere(self) -> None:
        server = joined_server("ping")
        assert server.receive_data(line({"ping": "1"}) + line({"pong": "2"})) == [
            Ping("1"),
            Pong("2"),
        ]
        assert sent(server) == [{"pong": "1"}]
        server = joined_server()
        assert server.receive_data(line({"ping": "1"}) + line({"pong": 2})) == []
        assert server.data_to_send() == b""

    def test_a_reason_of_the_programs_own_is_sent_as_a_notice(self) -> None:
        server = joined_server()
        rejection = server.reject(RejectionCode.UNKNOWN_ADDRESSEE, "nobody is called bob")
        assert rejection == Rejection(RejectionCode.UNKNOWN_ADDRESSEE, "nobody is called bob")
        assert sent(server) == [message("", "Nobody is called bob.", "me")]

    @pytest.mark.parametrize(
        ("frame", "sentence"),
        [
            (Roster(("a",)), "^the extension roster was not granted$"),
            (Ping("1"), "^the extension ping was not granted$"),
            (Pong("1"), "^the extension ping was not granted$"),
            (ServerMessage("\ud800", None, "a", 1, ""), "surrogate"),
            (ServerMessage("x" * 33000, None, "a", 33000, ""), "at most 32,768 can be sent$"),
        ],
    )
    def test_misuse_is_refused_in_a_sentence_and_changes_nothing(
        self, frame: Any, sentence: str
    ) -> None:
        server = joined_server()
        with pytest.raises(LocalProtocolError, match=sentence):
            server.send(frame)
        assert server.state is ServerState.JOINED
        assert server.data_to_send() == b""

    def test_a_roster_with_a_name_that_is_no_text_is_refused(self) -> None:
        server = joined_server("roster")
        with pytest.raises(LocalProtocolError, match="surrogate"):
            server.send(Roster(("a", "\ud800")))

    def test_what_does_not_fit_escaped_is_sent_as_utf_8(self) -> None:
        server = joined_server()
        text = "\U0001f600" * 5000
        server.send(ServerMessage(text, None, "a", 5000, ""))
        octets = server.data_to_send()
        assert len(octets) < 32768
        assert json.loads(octets)["message"] == text

    def test_its_limits_are_those_given(self) -> None:
        for limits, octets in (
            (ServerLimits(max_depth=2), b'{"a":[[]]}'),
            (ServerLimits(max_frame_octets=64), b'{"a":"' + b"x" * 64),
        ):
            [event] = ServerConnection(clock, limits).receive_data(octets)
            assert isinstance(event, Refusal)
        assert not ServerConnection(clock).receive_data(b'{"a":"' + b"x" * 65529)
        assert ServerConnection(clock).receive_data(b'{"a":"' + b"x" * 65530)

    def test_events_can_be_taken_one_at_a_time(self) -> None:
        server = joined_server("ping")
        server.feed(line({"x": 1}) + line({"ping": "1"}) + line({"ping": "2"}))
        assert server.next_event() == Ping("1")
        assert sent(server) == [{"pong": "1"}]
        assert server.next_event() == Ping("2")
        assert server.next_event() is None
        server.feed_eof()
        assert server.next_event() == EndOfStream()
        assert server.next_event() is None
        with pytest.raises(LocalProtocolError, match=ENDED):
            server.feed(b"")

    def test_frames_in_front_of_the_end_of_stream_come_first(self) -> None:
        server = ServerConnection(clock)
        server.receive_data(line({"username": "me"}) + line({"message": "hi"}) + b'{"message"')
        server.accept()
        assert server.receive_eof() == [ClientMessage("hi"), EndOfStream()]
        assert server.state is ServerState.CLOSED


def test_dates_are_rfc_3339_with_a_space() -> None:
    assert format_date(clock()) == DATE
    when = datetime(2026, 3, 14, 15, 9, 26, 250000, tzinfo=timezone.utc)
    assert format_date(when) == "2026-03-14 15:09:26.250000+00:00"


def test_a_clock_without_an_offset_is_refused() -> None:
    sentence = r"^the clock has to give a time with an offset from UTC$"
    with pytest.raises(LocalProtocolError, match=sentence):
        format_date(datetime(2026, 3, 14))


@pytest.mark.parametrize("beyond", [timedelta(seconds=28), timedelta(microseconds=5)])
def test_an_offset_that_rfc_3339_cannot_say_becomes_utc(beyond: timedelta) -> None:
    zone = timezone(timedelta(minutes=53) + beyond)
    assert format_date(datetime(1890, 1, 1, 0, 53, tzinfo=zone) + beyond) == (
        "1890-01-01 00:00:00+00:00"
    )


def test_that_utc_does_not_depend_on_the_machines_time_zone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    zone = timezone(timedelta(minutes=53, seconds=28))
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "ELSEWHERE-05:30")
        time.tzset()
        date = format_date(datetime(1890, 1, 1, 0, 53, 28, tzinfo=zone))
    time.tzset()
    assert date == "1890-01-01 00:00:00+00:00"
