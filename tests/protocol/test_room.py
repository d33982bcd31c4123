"""The room: who is told what, in which order, and what time and limits do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from chatroom_protocol import (
    Abort,
    Close,
    ErrorCode,
    Joined,
    LeaveReason,
    Left,
    LocalProtocolError,
    PauseReading,
    Refused,
    Rejected,
    RejectionCode,
    ResumeReading,
    Room,
    Send,
    SendEOF,
    ServerLimits,
    Violated,
    ViolationCode,
)
from chatroom_protocol import room as room_module
from tests.protocol.rooms import NOW, World, clock, line, message

CONNECTED = "User has connected"


def world(*names: str, extensions: tuple[str, ...] = ("ping", "roster"), **limits: Any) -> World:
    """Give a room in which ``names`` have joined, and have taken what they received."""
    new = World(Room(clock, ServerLimits(**limits), extensions))
    for name in names:
        new.join(name)
    new.log.clear()
    return new


def offline(name: str) -> dict[str, Any]:
    return message(name, f"{name} is offline\n")


def refused(code: int) -> list[Any]:
    return [{"isConnected": False, "errorCode": code}]


class TestJoining:
    def test_the_response_comes_first_and_the_others_are_told(self) -> None:
        room = world("a", "b")
        c = room.connect("c")
        room.say("c", username="c")
        assert c.take() == [{"isConnected": True, "errorCode": -1}]
        for key in "ab":
            assert room.peers[key].take() == [message("c", CONNECTED)]
        assert room.room.usernames == ("a", "b", "c")
        assert room.log == [Joined("c", "c")]

    def test_a_join_is_announced_once_encoded_to_all_others_together(self) -> None:
        room = world("a", "b", "c")
        room.connect("d")
        actions = room.room.receive_data("d", line({"username": "d"}), NOW)
        sends = [action for action in actions if isinstance(action, Send)]
        assert [send.connections for send in sends] == [("d",), ("a", "b", "c")]

    def test_a_connection_that_has_not_joined_hears_nothing(self) -> None:
        room = world("a", "b")
        silent = room.connect("silent")
        room.say("a", message="hi")
        room.say("b", disconnect=True)
        assert silent.take() == []

    def test_a_name_taken_is_refused_and_nobody_told(self) -> None:
        room = world("a")
        second = room.connect("second")
        room.data("second", line({"username": "a"}) + line({"message": "hi"}))
        assert second.take() == refused(1)
        assert second.ended
        assert room.peers["a"].take() == []
        room.say("second", username="b")
        assert second.take() == []
        assert room.log == [Refused("second", ErrorCode.USERNAME_TAKEN, "the username is taken")]

    @pytest.mark.parametrize(
        ("octets", "code"),
        [
            (b"x", 4),
            (line({"message": "hi"}), 4),
            (line({"username": None}), 4),
            (line({"username": " a"}), 3),
            (line({"username": "a"}), 1),
            (line({"username": "b"}), 2),
        ],
    )
    def test_the_first_code_that_applies_is_given(self, octets: bytes, code: int) -> None:
        room = world("a", max_clients=1)
        peer = room.connect("peer")
        room.data("peer", octets)
        assert peer.take() == refused(code)
        assert peer.ended
        [log] = room.log
        assert isinstance(log, Refused)
        assert (log.connection, log.code) == ("peer", code)
        assert log.detail
        assert room.room.usernames == ("a",)

    def test_a_place_is_free_again_when_somebody_leaves(self) -> None:
        room = world("a", "b", max_clients=2)
        room.say("b", disconnect=True)
        c = room.connect("c")
        room.say("c", username="b")
        assert c.take() == [{"isConnected": True, "errorCode": -1}]

    def test_what_came_behind_a_granted_join_is_handled_after_the_announcement(self) -> None:
        room = world("a")
        room.connect("b")
        room.data("b", line({"username": "b"}) + line({"message": "hi"}))
        assert room.peers["a"].take() == [message("b", CONNECTED), message("b", "hi")]

    def test_a_join_and_the_end_of_the_stream_is_a_join_and_a_leave(self) -> None:
        room = world("a")
        b = room.connect("b")
        room.say("b", username="b")
        room.eof("b")
        assert b.take() == [{"isConnected": True, "errorCode": -1}]
        assert room.peers["a"].take() == [message("b", CONNECTED), offline("b")]

    @pytest.mark.parametrize(
        ("asked", "granted"),
        [
            (["roster"], ["roster"]),
            (["ping", "roster", "x-y"], ["ping", "roster"]),
            (["x-y"], None),
            ("roster", None),
        ],
    )
    def test_extensions_are_granted_to_who_asks(
        self, asked: Any, granted: list[str] | None
    ) -> None:
        room = world("a")
        b = room.connect("b")
        room.say("b", username="b", extensions=asked)
        response, *rest = b.take()
        assert response.get("extensions") == granted
        assert rest == ([{"roster": ["a", "b"]}] if granted and "roster" in granted else [])

    def test_a_room_without_extensions_grants_none(self) -> None:
        room = world(extensions=())
        b = room.connect("b")
        room.say("b", username="b", extensions=["roster", "ping"])
        assert b.take() == [{"isConnected": True, "errorCode": -1}]

    def test_a_roster_larger_than_any_client_takes_is_not_granted(self) -> None:
        names = [f"{i:03}" + "\U0001f600" * 61 for i in range(150)]
        room = world(*names)
        b = room.connect("b")
        room.say("b", username="b", extensions=["roster", "ping"])
        assert b.take() == [{"isConnected": True, "errorCode": -1, "extensions": ["ping"]}]


class TestMessages:
    def test_a_message_reaches_everyone_else_once(self) -> None:
        room = world("a", "b", "c")
        room.say("a", message="hi \U0001f600", sender="b", length=99, date="never", dm=None)
        assert room.peers["a"].take() == []
        for key in "bc":
            assert room.peers[key].take() == [message("a", "hi \U0001f600")]

    def test_who_receives_is_right_among_more_senders_than_are_remembered(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(room_module, "_MAX_SENDERS_KEPT", 2)
        room = world("a", "b", "c", "d")
        for _ in range(2):
            for sender in "abcd":
                room.say(sender, message="hi")
                assert len(room.room._others) <= 2
                for key, peer in room.peers.items():
                    assert peer.take() == ([] if key == sender else [message(sender, "hi")])
        room.say("b", disconnect=True)
        room.join("e")
        room.say("d", message="who is there?")
        heard = {key for key, peer in room.peers.items() if peer.take()[-1:] != []}
        assert heard == {"a", "c", "e"}

    def test_a_message_is_encoded_once_for_all(self) -> None:
        room = world("a", "b", "c")
        [action] = room.room.receive_data("a", line({"message": "hi"}), NOW)
        assert isinstance(action, Send)
        assert action.connections == ("b", "c")

    def test_alone_in_the_room_nobody_is_sent_anything(self) -> None:
        room = world("a")
        assert room.room.receive_data("a", line({"message": "hi"}), NOW) == []

    @pytest.mark.parametrize("dm", [{}, {"dm": None}, {"dm": ""}])
    def test_dm_null_empty_or_absent_is_everyone(self, dm: dict[str, Any]) -> None:
        room = world("a", "b")
        room.say("a", message="hi", **dm)
        assert room.peers["b"].take() == [message("a", "hi")]

    def test_a_private_message_reaches_its_addressee_alone(self) -> None:
        room = world("a", "b", "c")
        room.say("a", message="hi", dm="b")
        assert room.peers["b"].take() == [message("a", "hi", dm="b")]
        assert room.peers["a"].take() == room.peers["c"].take() == []

    def test_a_private_message_to_oneself_arrives_once(self) -> None:
        room = world("a", "b")
        room.say("a", message="note", dm="a")
        assert room.peers["a"].take() == [message("a", "note", dm="a")]

    @pytest.mark.parametrize("dm", ["nobody", "A", "a ", "gone", "x" * 300])
    def test_a_private_message_to_nobody_is_told_to_its_sender(self, dm: str) -> None:
        room = world("a", "b", "gone")
        room.say("gone", disconnect=True)
        room.log.clear()
        for peer in room.peers.values():
            peer.take()
        room.say("a", message="hi", dm=dm)
        text = f"The message was not delivered, because no '{dm[:64]}' is here."
        assert room.peers["a"].take() == [message("", text, dm="a")]
        assert room.peers["b"].take() == []
        assert room.log == [
            Rejected("a", "a", RejectionCode.UNKNOWN_ADDRESSEE, text[0].lower() + text[1:-1])
        ]

    @pytest.mark.parametrize(
        ("members", "code"),
        [
            ({"message": 5}, RejectionCode.BAD_MESSAGE),
            ({"message": "hi", "dm": 5}, RejectionCode.BAD_DM),
            ({"disconnect": "yes"}, RejectionCode.BAD_DISCONNECT),
            ({"ping": 5}, RejectionCode.BAD_PING),
        ],
    )
    def test_a_frame_with_a_fault_is_told_to_its_sender_alone(
        self, members: dict[str, Any], code: RejectionCode
    ) -> None:
        room = world("b")
        room.join("a", extensions=["ping"])
        room.log.clear()
        room.say("a", **members)
        [log] = room.log
        assert isinstance(log, Rejected)
        assert (log.connection, log.username, log.code) == ("a", "a", code)
        assert log.detail
        [notice] = room.peers["a"].take()
        assert (notice["sender"], notice["dm"]) == ("", "a")
        assert room.peers["b"].take() == []
        room.say("a", message="still here")
        assert room.peers["b"].take() == [message("a", "still here")]

    def test_a_message_too_long_to_relay_is_told_to_its_sender(self) -> None:
        room = world("a", "b")
        room.say("a", message="x" * 32700)
        [notice] = room.peers["a"].take()
        assert notice["message"].startswith("The message was not delivered, because it is too long")
        assert room.peers["b"].take() == []
        [log] = room.log
        assert isinstance(log, Rejected)
        assert log.code is RejectionCode.MESSAGE_TOO_LONG

    @pytest.mark.parametrize("character", ["\x00", "x", "\x7f", "é", "\uffff", "\U0001f600"])
    def test_whatever_fits_4096_octets_is_relayed(self, character: str) -> None:
        name = "\U0001f600" * 63 + "\u4e2d"
        room = world("a")
        room.join("b", name)
        for escaped in (False, True):
            one = character if character >= " " and not escaped else "\\u0000"
            head = '{"dm":null,"message":"'
            text = one * ((4096 - len(head) - 2) // len(one.encode()))
            frame = f'{head}{text}"}}'.encode()
            assert len(frame) <= 4096
            room.data("b", frame)
            [relayed] = room.peers["a"].take()
            assert len(line(relayed)) < 32768
            assert relayed["length"] == len(relayed["message"]) == text.count(one)

    def test_frames_of_no_known_kind_are_ignored(self) -> None:
        room = world("a", "b")
        octets = line({"username": "c"}) + line({}) + line({"ping": "1"}) + line({"roster": []})
        assert room.room.receive_data("a", octets, NOW) == []
        assert room.room.usernames == ("a", "b")

    def test_a_ping_is_answered_before_what_follows_it(self) -> None:
        room = world("b")
        a = room.join("a", extensions=["ping"])
        octets = line({"ping": "1"}) + line({"message": "x", "dm": "a"}) + line({"ping": "2"})
        room.data("a", octets + line({"pong": "3"}))
        assert a.take() == [{"pong": "1"}, message("a", "x", dm="a"), {"pong": "2"}]

    def test_replies_keep_their_order_among_what_is_relayed(self) -> None:
        room = world("a", "b")
        room.data("a", line({"message": 5}) + line({"message": "me", "dm": "a"}) + b"x")
        notice, private, violation, disconnect = room.peers["a"].take()
        assert notice["sender"] == violation["sender"] == ""
        assert private == message("a", "me", dm="a")
        assert disconnect == {"disconnect": True}


class TestLeaving:
    @pytest.mark.parametrize(
        ("leave", "reason"),
        [
            (lambda room: room.say("a", disconnect=True), LeaveReason.DISCONNECT),
            (lambda room: room.eof("a"), LeaveReason.END_OF_STREAM),
            (lambda room: room.lose("a"), LeaveReason.CONNECTION_LOST),
            (lambda room: room.data("a", b"x"), LeaveReason.VIOLATION),
            (
                lambda room: room.do(room.room.report_backlog("a", 1048577, NOW)),
                LeaveReason.OUTBOUND_FULL,
            ),
            (lambda room: room.wait(60), LeaveReason.SILENCE),
        ],
    )
    def test_every_way_out_is_announced_once_to_the_others(
        self, leave: Callable[[World], None], reason: LeaveReason
    ) -> None:
        room = world("a", max_silence=60)
        room.now += 1
        room.join("b")
        room.join("c")
        room.log.clear()
        room.now -= 1
        leave(room)
        assert Left("a", "a", reason) in room.log
        for again in (room.eof, room.lose):
            again("a")
        assert room.peers["b"].take() == room.peers["c"].take() == [offline("a")]
        assert room.room.usernames == ("b", "c")
        assert [log for log in room.log if isinstance(log, Left)] == [Left("a", "a", reason)]

    def test_a_disconnect_is_answered_and_then_the_stream_ended(self) -> None:
        room = world("a", "b")
        actions = room.room.receive_data("a", line({"disconnect": True}) + b"{", NOW)
        assert actions[0] == Send(("a",), b'{"disconnect":true}\n')
        assert actions[1] == SendEOF("a")
        assert isinstance(actions[2], Left)
        assert room.room.receive_data("a", b"whatever", NOW) == []
        assert room.room.receive_eof("a", NOW) == [Close("a")]
        assert room.room.connection_lost("a", NOW) == []
        assert room.room.connection_count == 1

    def test_frames_sent_before_leaving_are_delivered_before_the_leave(self) -> None:
        room = world("a", "b")
        room.data("a", line({"message": "1"}) + line({"message": "2"}) + b'{"disconnect":true}')
        assert room.peers["b"].take() == [message("a", "1"), message("a", "2"), offline("a")]
        room.data("b", line({"message": "note", "dm": "b"}))
        room.eof("b")
        assert room.peers["b"].take() == [message("b", "note", dm="b")]
        assert room.peers["b"].closed

    def test_a_violation_costs_its_sender_the_connection_and_nobody_else_anything(self) -> None:
        room = world("a", "b")
        room.data("a", line({"message": "ok"}) + b'{"message":"\xff"}' + line({"message": "no"}))
        assert room.peers["b"].take() == [message("a", "ok"), offline("a")]
        notice, disconnect = room.peers["a"].take()
        assert "not UTF-8" in notice["message"]
        assert disconnect == {"disconnect": True}
        assert room.peers["a"].ended
        violated, _ = room.log
        assert isinstance(violated, Violated)
        assert violated.connection == violated.username == "a"
        assert violated.code is ViolationCode.NOT_UTF_8
        assert "not UTF-8" in violated.detail

    def test_the_name_is_free_when_the_leave_is_heard(self) -> None:
        room = world("a", "b")
        actions = room.room.receive_data("a", line({"disconnect": True}), NOW)
        assert room.room.usernames == ("b",)
        assert isinstance(actions[-1], Send)
        other = room.connect("other")
        room.say("other", username="a")
        assert other.take() == [{"isConnected": True, "errorCode": -1}]

    def test_ends_before_a_join_are_nobodys_business(self) -> None:
        room = world("a")
        for number, end in enumerate((room.eof, room.lose)):
            peer = room.connect(f"p{number}")
            room.data(f"p{number}", b'{"username"')
            end(f"p{number}")
            assert peer.closed
            assert peer.take() == []
        assert room.peers["a"].take() == []
        assert room.log == []

    def test_reports_about_a_connection_that_is_gone_are_ignored(self) -> None:
        room = world("a").room
        room.connection_lost("a", NOW)
        assert room.receive_data("a", b"x", NOW) == []
        assert room.receive_eof("a", NOW) == []
        assert room.connection_lost("a", NOW) == []
        assert room.report_backlog("a", 10**9, NOW) == []

    def test_misuse_is_refused(self) -> None:
        room = world("a").room
        with pytest.raises(LocalProtocolError, match="connection 'a' has been made already"):
            room.connection_made("a", NOW)
        room.receive_eof("a", NOW)
        with pytest.raises(LocalProtocolError, match="after the end of the stream"):
            room.receive_data("a", b"x", NOW)


class TestLimits:
    def test_frames_are_held_to_the_limits_of_the_room(self) -> None:
        room = world("a", max_depth=2)
        room.data("a", b'{"message":"","x":[[]]}')
        [violated, _] = room.log
        assert isinstance(violated, Violated)
        assert violated.code is ViolationCode.TOO_DEEP

    def test_a_backlog_at_the_limit_is_borne_and_one_octet_more_is_not(self) -> None:
        room = world("a", "b", max_outbound_octets=1000).room
        assert room.report_backlog("a", 1000, NOW) == []
        actions = room.report_backlog("a", 1001, NOW)
        assert actions[0] == Abort("a")
        assert isinstance(actions[2], Send)
        assert actions[2].connections == ("b",)
        assert room.connection_count == 1

    def test_connections_beyond_those_allowed_for_an_address_are_refused(self) -> None:
        room = world(max_clients_per_address=2)
        for key in ("a", "b"):
            assert room.connect(key, "192.0.2.1").take() == []
        c = room.connect("c", "192.0.2.1")
        assert c.take() == refused(2)
        assert c.ended
        assert room.log == [
            Refused("c", ErrorCode.SERVER_FULL, "too many connections from one address")
        ]
        assert room.connect("other", "192.0.2.2").take() == []
        assert room.connect("local").take() == []
        room.lose("a")
        assert room.connect("d", "192.0.2.1").take() == refused(2), "c is still there"
        room.lose("c")
        room.lose("d")
        assert room.connect("e", "192.0.2.1").take() == []

    def test_addresses_are_forgotten_with_their_last_connection(self) -> None:
        room = world()
        room.connect("a", "192.0.2.1")
        room.connect("b", "192.0.2.1")
        room.lose("a")
        assert room.room._addresses == {"192.0.2.1": 1}
        room.lose("b")
        assert room.room._addresses == {}

    def test_who_is_too_fast_is_read_again_when_the_debt_is_paid(self) -> None:
        room = world("a", "b", max_messages_per_second=2, message_burst=3)
        frame = line({"message": "x"})
        assert PauseReading("a") not in room.room.receive_data("a", frame * 3, NOW)
        actions = room.room.receive_data("a", frame * 2, NOW)
        assert actions.count(PauseReading("a")) == 1
        assert sum(a.data.count(b"\n") for a in actions if isinstance(a, Send)) == 2
        assert room.room.next_deadline == NOW + 1
        assert room.room.deadline_passed(NOW + 0.9) == []
        assert room.room.deadline_passed(NOW + 1) == [ResumeReading("a")]
        assert room.room.next_deadline is None
        assert room.room.receive_data("a", frame, NOW + 1)[:1] == [PauseReading("a")]

    def test_nobody_saves_more_than_the_burst(self) -> None:
        room = world("a", max_messages_per_second=10, message_burst=2)
        frame = line({"message": "x"})
        later = NOW + 1000
        assert room.room.receive_data("a", frame * 2, later) == []
        assert room.room.receive_data("a", frame, later) == [PauseReading("a")]

    def test_a_debt_is_paid_at_the_rate_allowed(self) -> None:
        room = world("a", max_messages_per_second=4, message_burst=4).room
        frame = line({"message": "x"})
        assert room.receive_data("a", frame * 4, NOW) == []
        assert room.receive_data("a", frame * 2, NOW + 0.5) == []
        assert room.receive_data("a", frame, NOW + 0.5) == [PauseReading("a")]
        assert room.next_deadline == NOW + 0.75

    @pytest.mark.parametrize("members", [{"message": 5}, {"ping": "1"}, {"pong": "1"}])
    def test_frames_that_are_answered_or_rejected_count_too(self, members: dict[str, Any]) -> None:
        room = world(max_messages_per_second=1, message_burst=1)
        room.join("a", extensions=["ping"])
        room.data("a", line(members) * 2)
        assert room.peers["a"].paused

    def test_who_ends_while_paused_is_read_to_the_end(self) -> None:
        room = world("a", max_messages_per_second=1, message_burst=1)
        room.data("a", line({"message": "x"}) * 3 + line({"disconnect": True}))
        assert not room.peers["a"].paused
        assert room.peers["a"].ended

    def test_a_connection_lost_while_paused_is_not_resumed(self) -> None:
        room = world("a", max_messages_per_second=1, message_burst=1)
        room.data("a", line({"message": "x"}) * 3)
        room.lose("a")
        room.wait(100)
        assert room.room.next_deadline is None

    def test_pings_alone_keep_a_user_from_being_silent(self) -> None:
        room = world(max_silence=10)
        room.join("a", extensions=["ping"])
        for _ in range(5):
            room.now += 9
            room.data("a", line({"ping": ""}))
            assert room.room.next_deadline == room.now + 10
        room.wait(9.5)
        assert room.room.usernames == ("a",)

    def test_who_is_silent_too_long_is_told_and_let_go(self) -> None:
        room = world("a", max_silence=10)
        room.wait(10)
        text = "The connection is closed, because you sent nothing for 10 seconds."
        assert room.peers["a"].take() == [message("", text, dm="a"), {"disconnect": True}]
        assert room.peers["a"].ended

    def test_who_has_not_joined_has_the_time_to_join_however_silent(self) -> None:
        room = world(max_silence=10, join_timeout=30)
        a = room.connect("a")
        room.data("a", b'{"username":')
        room.wait(20)
        room.data("a", b'"a"}')
        assert a.take() == [{"isConnected": True, "errorCode": -1}]

    def test_who_is_not_read_is_not_silent(self) -> None:
        room = world("a", max_silence=10, max_messages_per_second=0.05, message_burst=1)
        room.data("a", line({"message": "x"}) * 2)
        room.wait(15)
        assert room.room.usernames == ("a",)
        room.wait(5)
        assert not room.peers["a"].paused
        room.wait(9)
        assert room.room.usernames == ("a",)
        room.wait(1)
        assert not room.room.usernames


class TestTime:
    def test_who_does_not_join_in_time_is_refused(self) -> None:
        room = world(join_timeout=10)
        peer = room.connect("slow")
        assert room.room.next_deadline == NOW + 10
        room.data("slow", b'{"username"')
        room.wait(9)
        assert peer.take() == []
        room.wait(1)
        assert peer.take() == refused(5)
        assert peer.ended
        [log] = room.log
        assert log == Refused("slow", ErrorCode.JOIN_TIMEOUT, "no join within 10 seconds")
        room.data("slow", b':"a"}')
        assert not room.room.usernames

    def test_joining_ends_the_wait(self) -> None:
        room = world("a")
        assert room.room.next_deadline is None
        room.wait(1000)
        assert room.room.usernames == ("a",)

    def test_a_connection_that_lingers_too_long_is_closed(self) -> None:
        room = world("a", linger_timeout=2)
        room.say("a", disconnect=True)
        assert room.room.next_deadline == NOW + 2
        room.wait(1.9)
        assert not room.peers["a"].aborted
        room.wait(0.1)
        assert room.peers["a"].aborted
        assert room.room.connection_count == 0
        assert room.room.next_deadline is None

    def test_the_end_of_the_stream_does_not_lengthen_the_lingering(self) -> None:
        room = world("a", linger_timeout=2)
        room.say("a", disconnect=True)
        room.now += 1
        room.eof("a")
        assert room.peers["a"].closed
        assert room.room.next_deadline == NOW + 2

    @pytest.mark.parametrize(
        "end",
        [
            lambda room: room.data("a", b"x"),
            lambda room: room.say("a", username=" "),
            lambda room: room.wait(1),
            lambda room: room.eof("a"),
        ],
    )
    def test_whoever_does_not_join_lingers_as_long_and_is_refused_once(
        self, end: Callable[[World], None]
    ) -> None:
        room = world(join_timeout=1, linger_timeout=10)
        peer = room.connect("a")
        end(room)
        ended = room.now
        assert len(peer.take()) == (not peer.closed)
        assert room.room.next_deadline == ended + 10
        room.wait(5)
        assert peer.take() == []
        room.wait(ended + 10 - room.now)
        assert peer.aborted
        assert room.room.next_deadline is None

    @pytest.mark.parametrize(
        "end",
        [
            lambda room: room.say("a", disconnect=True),
            lambda room: room.data("a", b"x"),
            lambda room: room.eof("a"),
            lambda room: room.wait(3),
            lambda room: room.do(room.room.shut_down(room.now)),
        ],
    )
    def test_whoever_leaves_lingers_as_long_and_is_told_once(
        self, end: Callable[[World], None]
    ) -> None:
        room = world("a", max_silence=3, linger_timeout=10)
        end(room)
        ended = room.now
        room.peers["a"].take()
        assert room.room.next_deadline == ended + 10
        room.wait(5)
        assert room.peers["a"].take() == []
        room.wait(ended + 10 - room.now)
        assert room.peers["a"].aborted
        assert room.room.next_deadline is None

    def test_the_next_deadline_is_the_earliest_of_all(self) -> None:
        room = world(
            "a", "b", join_timeout=30, linger_timeout=2, max_silence=5, max_messages_per_second=1
        )
        room.connect("c")
        assert room.room.next_deadline == NOW + 5
        room.say("b", disconnect=True)
        assert room.room.next_deadline == NOW + 2
        room.data("a", line({"message": "x"}) * 21)
        assert room.room.next_deadline == NOW + 1

    def test_deadlines_come_in_the_order_in_which_they_were_set_again(self) -> None:
        room = world("a", "b", max_silence=10)
        room.now += 1
        room.say("a", message="x")
        room.now = NOW
        room.wait(10)
        assert room.room.usernames == ("a",)
        room.wait(1)
        assert not room.room.usernames


class TestShuttingDown:
    def test_everyone_is_told_and_no_leave_announced(self) -> None:
        room = world("a", "b", max_silence=10)
        waiting = room.connect("waiting")
        room.do(room.room.shut_down(room.now))
        for key in "ab":
            assert room.peers[key].take() == [{"disconnect": True}]
            assert room.peers[key].ended
        assert waiting.aborted
        assert waiting.take() == []
        assert not room.room.usernames
        assert room.room.connection_count == 2
        room.data("a", line({"message": "late"}))
        room.eof("a")
        room.lose("a")
        assert room.peers["b"].take() == []
        room.wait(2)
        assert room.peers["b"].aborted
        assert room.room.next_deadline is None

    def test_who_was_closing_already_keeps_its_last_words(self) -> None:
        room = world("a")
        room.say("a", disconnect=True)
        room.do(room.room.shut_down(room.now))
        assert room.peers["a"].take() == [{"disconnect": True}]
        assert not room.peers["a"].aborted

    def test_new_connections_are_closed_unanswered(self) -> None:
        room = world()
        assert room.room.shut_down(NOW) == []
        assert room.room.connection_made("a", NOW) == [Abort("a")]
        assert room.room.connection_count == 0

    def test_shutting_down_twice_says_nothing_twice(self) -> None:
        room = world("a")
        room.do(room.room.shut_down(room.now))
        assert room.room.shut_down(room.now) == []

    def test_a_paused_user_is_resumed_to_be_read_to_the_end(self) -> None:
        room = world("a", max_messages_per_second=1, message_burst=1)
        room.data("a", line({"message": "x"}) * 3)
        room.do(room.room.shut_down(room.now))
        assert not room.peers["a"].paused


def test_writes_to_the_same_receivers_in_a_row_become_one() -> None:
    room = world("a", "b", "c").room
    octets = line({"message": "1"}) + line({"message": "2"}) + line({"message": "3", "dm": "b"})
    first, second = room.receive_data("a", octets, NOW)
    assert isinstance(first, Send)
    assert first.connections == ("b", "c")
    assert first.data.count(b"\n") == 2
    assert isinstance(second, Send)
    assert second.connections == ("b",)


def test_private_messages_to_one_user_in_a_row_become_one_write() -> None:
    room = world("a", "b").room
    octets = line({"message": "1", "dm": "b"}) + line({"message": "2", "dm": "b"})
    [action] = room.receive_data("a", octets, NOW)
    assert isinstance(action, Send)
    assert action.data.count(b"\n") == 2


def test_a_log_entry_keeps_its_place_between_writes() -> None:
    room = world("a", "b").room
    octets = line({"message": "1"}) + line({"message": 5}) + line({"message": "2"})
    kinds = [type(action) for action in room.receive_data("a", octets, NOW)]
    assert kinds == [Send, Send, Rejected, Send]


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        (LeaveReason.DISCONNECT, "disconnected"),
        (LeaveReason.END_OF_STREAM, "closed the connection"),
        (LeaveReason.CONNECTION_LOST, "connection lost"),
        (LeaveReason.VIOLATION, "violated the protocol"),
        (LeaveReason.OUTBOUND_FULL, "did not read"),
        (LeaveReason.SILENCE, "was silent too long"),
    ],
)
def test_reasons_are_words_for_the_log(reason: LeaveReason, words: str) -> None:
    assert reason.value == words
