"""A session's life on real sockets, with time that passes when the test says so."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from chatroom_reference.client.address import Address
from chatroom_reference.client.session import (
    ANSWER_TIMEOUT,
    LEAVE_TIMEOUT,
    PATIENCE,
    SILENCE,
    CannotSend,
    Phase,
    Session,
    Tone,
)
from tests.client.support import ScriptedServer, message, wait_for


class Driven:
    """A session that is polled at times of the test's choosing."""

    def __init__(self, port: int) -> None:
        self.now = 1000.0
        self.heard: list[str] = []
        self.session = Session(Address("127.0.0.1", port), "ada")
        self.session.start(self.now)

    def turn(self) -> None:
        self.heard += [each.message for each in self.session.poll(self.now)]

    def phase(self) -> Phase:
        return self.session.phase

    def until(self, phase: Phase) -> None:
        wait_for(lambda: self.session.phase is phase, str(phase), self.turn)

    def until_heard(self, text: str) -> None:
        wait_for(lambda: text in self.heard, text, self.turn)

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.turn()

    @property
    def status(self) -> str:
        return self.session.status(self.now).text


Drive = Callable[[], Driven]


@pytest.fixture
def drive(scripted: ScriptedServer) -> Iterator[Drive]:
    started: list[Driven] = []

    def start() -> Driven:
        driven = Driven(scripted.port)
        scripted.turn = driven.turn
        started.append(driven)
        return driven

    yield start
    for each in started:
        each.session.leave(each.now)
        each.pass_time(LEAVE_TIMEOUT + 0.01)
        assert each.session.phase is Phase.ENDED
        each.session.settle(10)


def joined(drive: Drive, scripted: ScriptedServer, *extensions: str) -> Driven:
    driven = drive()
    scripted.welcome(*extensions)
    driven.until(Phase.CHATTING)
    return driven


def test_it_joins_says_and_hears(drive: Drive, scripted: ScriptedServer) -> None:
    driven = drive()
    assert driven.status == f"Connecting to 127.0.0.1:{scripted.port} …"
    assert scripted.accept() == {"username": "ada", "extensions": ["roster", "ping"]}
    assert driven.status == "Joining as ada …"
    with pytest.raises(CannotSend, match="no connection"):
        driven.session.say("too early", None)
    # What an original server leaks before it has answered is not heard.
    scripted.send(message("ben", "leaked"), {"isConnected": True, "errorCode": -1})
    driven.until(Phase.CHATTING)
    assert driven.status == f"Connected to 127.0.0.1:{scripted.port} as ada"
    scripted.send(message("ben", "hi"), {"roster": ["not", "granted"]})
    driven.until_heard("hi")
    assert driven.heard == ["hi"]
    assert driven.session.people.others == ["ben"]
    driven.session.say("hi, ben", "ben")
    assert scripted.receive() == {"message": "hi, ben", "dm": "ben", "sender": "ada"}


def test_the_roster_is_followed(drive: Drive, scripted: ScriptedServer) -> None:
    driven = joined(drive, scripted, "roster")
    scripted.send({"roster": ["ada", "ben"]}, message("chloe", "User has connected"))
    driven.until_heard("User has connected")
    assert driven.session.people.others == ["ben", "chloe"]
    assert driven.session.people.exact
    scripted.send(message("ben", "ben is offline\n"))
    driven.until_heard("ben is offline\n")
    assert driven.session.people.others == ["chloe"]


def test_what_was_said_here_is_heard_once(drive: Drive, scripted: ScriptedServer) -> None:
    driven = joined(drive, scripted)
    driven.session.say("note", "ada")
    driven.session.say("all", None)
    scripted.send(
        message("ada", "note", "ada"),
        message("ada", "all"),
        message("ada", "ada is offline\n"),
        message("ada", "forged, in an original server's room"),
        message("ada", "all"),
        message("ben", "end"),
    )
    driven.until_heard("end")
    assert driven.heard == ["forged, in an original server's room", "all", "end"]


def test_waits_grow_and_a_lasting_connection_resets_them(
    drive: Drive, scripted: ScriptedServer
) -> None:
    driven = joined(drive, scripted)
    waits = []
    for lasting in (0.0, 0.0, 60.0):
        driven.pass_time(lasting)
        scripted.drop()
        driven.until(Phase.WAITING)
        waits.append(driven.session.retry_at - driven.now)
        assert driven.session.status(driven.now).tone is Tone.BAD
        with pytest.raises(CannotSend):
            driven.session.say("lost", None)
        driven.pass_time(waits[-1] - 0.01)
        assert driven.phase() is Phase.WAITING
        assert driven.status == "Not connected. Trying again in 1 second."
        assert driven.session.reason.endswith("was lost.")
        driven.pass_time(0.02)
        scripted.welcome()
        driven.until(Phase.CHATTING)
    assert 1 <= waits[0] <= 1.25
    assert 2 <= waits[1] <= 2.5
    assert 1 <= waits[2] <= 1.25


def test_a_server_that_stays_away_is_tried_again(drive: Drive, scripted: ScriptedServer) -> None:
    driven = joined(drive, scripted)
    scripted.close()
    driven.until(Phase.WAITING)
    driven.session.reconnect(driven.now)
    driven.until(Phase.WAITING)
    assert "Nobody is listening" in driven.session.reason


def test_a_full_server_is_tried_again_only_after_a_join(
    drive: Drive, scripted: ScriptedServer
) -> None:
    full = {"isConnected": False, "errorCode": 2}
    driven = joined(drive, scripted)
    scripted.drop()
    driven.until(Phase.WAITING)
    driven.session.reconnect(driven.now)
    scripted.accept()
    scripted.send(full)
    driven.until(Phase.WAITING)
    assert "is full" in driven.session.reason
    scripted.drop()
    newcomer = drive()
    scripted.accept()
    scripted.send(full)
    newcomer.until(Phase.ENDED)
    assert newcomer.session.failure == f"127.0.0.1:{scripted.port} is full; try again later."


def test_a_refused_name_can_be_changed(drive: Drive, scripted: ScriptedServer) -> None:
    driven = drive()
    scripted.accept()
    scripted.send({"isConnected": False, "errorCode": 1})
    driven.until(Phase.REFUSED)
    assert driven.session.reason.startswith('The name "ada" is taken')
    scripted.drop()
    driven.session.rename("bad ", driven.now)
    assert driven.phase() is Phase.REFUSED
    assert "white space" in driven.session.reason
    driven.session.rename("better", driven.now)
    assert scripted.accept()["username"] == "better"


def test_giving_up_a_refused_name_is_a_failure(drive: Drive, scripted: ScriptedServer) -> None:
    driven = drive()
    scripted.accept()
    scripted.send({"isConnected": False, "errorCode": 3})
    driven.until(Phase.REFUSED)
    driven.session.leave(driven.now)
    assert driven.phase() is Phase.ENDED
    assert driven.session.failure
    assert "does not allow" in driven.session.failure


def test_a_server_that_does_not_answer(drive: Drive, scripted: ScriptedServer) -> None:
    driven = drive()
    scripted.accept()
    driven.pass_time(ANSWER_TIMEOUT - 0.1)
    assert driven.phase() is Phase.JOINING
    driven.pass_time(0.2)
    assert driven.phase() is Phase.ENDED
    assert driven.session.failure
    assert driven.session.failure.endswith("accepts connections, but does not answer.")


def test_a_silent_server_is_asked_and_given_up(drive: Drive, scripted: ScriptedServer) -> None:
    driven = joined(drive, scripted, "ping")
    driven.pass_time(SILENCE + 0.1)
    asked = scripted.receive()
    scripted.send({"pong": asked["ping"]}, message("ben", "alive"))
    driven.until_heard("alive")
    driven.pass_time(SILENCE + 0.1)
    assert "ping" in scripted.receive()
    driven.pass_time(PATIENCE - 0.1)
    assert driven.phase() is Phase.CHATTING
    driven.pass_time(0.2)
    assert driven.phase() is Phase.WAITING
    assert "has not been heard of" in driven.session.reason


def test_without_ping_silence_is_no_fault(drive: Drive, scripted: ScriptedServer) -> None:
    driven = joined(drive, scripted)
    driven.pass_time(10_000)
    assert driven.phase() is Phase.CHATTING


def test_leaving_is_answered_or_given_up(drive: Drive, scripted: ScriptedServer) -> None:
    driven = joined(drive, scripted)
    driven.session.leave(driven.now)
    assert driven.status == "Leaving …"
    assert scripted.receive() == {"disconnect": True, "sender": "ada"}
    scripted.send(message("ben", "last words"))
    driven.until_heard("last words")
    driven.pass_time(LEAVE_TIMEOUT - 0.1)
    assert driven.phase() is Phase.LEAVING
    driven.pass_time(0.2)
    assert driven.phase() is Phase.ENDED
    assert driven.session.failure is None
    assert scripted.at_end()


def test_leaving_before_the_answer_ends_the_stream(drive: Drive, scripted: ScriptedServer) -> None:
    driven = drive()
    scripted.accept()
    driven.session.leave(driven.now)
    assert scripted.at_end()
    scripted.drop()
    driven.until(Phase.ENDED)
    assert driven.session.failure is None


def test_the_servers_disconnect(drive: Drive, scripted: ScriptedServer) -> None:
    driven = joined(drive, scripted)
    scripted.send(message("", "too\x1b large\n", "ada"), {"disconnect": True})
    driven.until(Phase.ENDED)
    assert driven.session.failure is None
    words = "The server ended the session. Its last notice: too‹U+001B› large"
    assert driven.session.closing_words == words
    assert scripted.at_end()


def test_a_server_that_breaks_the_rules(drive: Drive, scripted: ScriptedServer) -> None:
    driven = joined(drive, scripted)
    scripted.send(message("ben", "good"))
    scripted.send_bytes(b'{"message": \xff}\n')
    driven.until(Phase.WAITING)
    assert driven.heard == ["good"]
    assert "does not speak this protocol: " in driven.session.reason
    assert scripted.receive() == {"disconnect": True, "sender": "ada"}


def test_more_than_is_taken_at_once_waits_its_turn(drive: Drive, scripted: ScriptedServer) -> None:
    driven = joined(drive, scripted)
    texts = [f"{number} {'x' * 2000}" for number in range(3000)]
    sender = threading.Thread(
        target=scripted.send, args=[message("ben", text) for text in texts], daemon=True
    )
    sender.start()
    link = driven.session._link
    assert link
    # The network's thread stops reading long before 6 MB are here, and goes on when some are taken.
    wait_for(lambda: link._reports.qsize() >= 32, "much to do")
    while len(driven.heard) < len(texts) and sender.is_alive():
        driven.heard += [each.message for each in driven.session.poll(driven.now, most=1)]
        assert link._reports.qsize() <= 32
    driven.until_heard(texts[-1])
    assert driven.heard == texts
    sender.join()
