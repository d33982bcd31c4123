"""What one client does harms no other."""

from __future__ import annotations

from ..matches import joined, message, response
from ..registry import Risk, case
from ..vocabulary import Room
from .common import TALK

#: What somebody might send by mistake, or in order to break something.
HOSTILE = (
    b"\x00",
    b"\n\n\n",
    b"null\n",
    b"5\n",
    b'"text"\n',
    b"[]\n",
    b"[" * 5000 + b"\n",
    b'{"a":' * 5000 + b"\n",
    b"{}{}{}{}",
    b'{"message": ',
    b'{"message": "\\ud800", "dm": null}\n',
    b'{"message": "\xff\xfe", "dm": null}\n',
    b'{"message": NaN, "dm": null}\n',
    b'{"message": 1e999, "dm": -1e999}\n',
    b'{"x": ' + b"9" * 3900 + b"}\n",
    b'{"message": {"message": []}, "dm": {"dm": []}, "sender": {}}\n',
    b'{"message": null, "message": 5, "dm": 5, "dm": []}\n',
    b'{"disconnect": {"disconnect": true}}\n',
    b'{"username": {}, "disconnect": [], "extensions": {}}\n',
    b'{"ping": [], "pong": {}, "roster": 5}\n',
    b"\xef\xbb\xbf{}\n",
    b"GET / HTTP/1.1\r\nHost: chat\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    bytes(range(256)),
)


@case("robustness.hostile-input", "ROBUST-1", needs=TALK, risk=Risk.DEADLY)
def hostile_input(room: Room) -> None:
    """A server MUST keep serving every other client, whatever octets one client sends."""
    room.bystanders()
    for data in HOSTILE:
        raw = room.connect("unjoined")
        raw.send(data)
        room.bystander_unharmed()
        mallory = room.join("mallory")
        mallory.spoilt = True
        mallory.send(data)
        room.bystander_unharmed()
        mallory.close()
        raw.close()
        room.bystander_unharmed()


@case("robustness.abrupt-end", "ROBUST-2", needs=TALK, risk=Risk.DEADLY)
def abrupt_end(room: Room) -> None:
    """A server MUST keep serving every other client when a connection ends without a disconnect
    frame, before or after the join."""
    room.bystanders()
    for reset in (False, True):
        room.connect("unjoined").close(reset=reset)
        half = room.connect("half a join")
        half.send(b'{"userna')
        half.close(reset=reset)
        room.bystander_unharmed()
        room.join("alice").close(reset=reset)
        part = room.join("part of a frame")
        part.send(b'{"message": "')
        part.close(reset=reset)
        room.bystander_unharmed()
    newcomer = room.connect("newcomer")
    newcomer.ask_to_join(room.name("newcomer"))
    newcomer.expect(response(isConnected=True), permitted="newcomers can still join")
    newcomer.joined = True


@case("robustness.idle", "ROBUST-5", needs=(*TALK, "joining.announced"), risk=Risk.DEADLY)
def idle(room: Room) -> None:
    """A server MUST NOT let a connection that sends nothing, or only part of a frame, delay
    others."""
    one, _ = room.bystanders()
    part = room.join("part of a frame")
    room.connect("silent")
    half = room.connect("half a join")
    room.settle()  # so that the server surely gets to the halves before it is asked for more
    half.spoilt = True
    half.send(b'{"username": "')
    part.spoilt = True
    part.send(b'{"message": "')
    room.bystander_unharmed()
    newcomer = room.connect("newcomer")
    newcomer.ask_to_join(room.name("newcomer"))
    newcomer.expect(response(isConnected=True), permitted="somebody can join meanwhile")
    newcomer.joined = True
    one.expect(joined(newcomer.username), permitted="a join is announced meanwhile")


@case("robustness.sane-at-the-end", "ROBUST-1", needs=(*TALK, "leaving.closed"), risk=Risk.LAST)
def sane_at_the_end(room: Room) -> None:
    """A server MUST keep serving every other client, whatever octets one client sends."""
    alice, bob = room.join("alice"), room.join("bob")
    said, whispered = room.text(), room.text()
    alice.say(said)
    bob.expect(message(said), permitted="after everything people can still talk")
    bob.tell(alice, whispered)
    alice.expect(message(whispered), permitted="after everything people can still whisper")
    bob.leave()
    bob.expect_end(permitted="after everything people can still leave")
