"""TLS around the same octets."""

from __future__ import annotations

from ..matches import about, message
from ..registry import Risk, case
from ..vocabulary import Room
from .common import TALK


def _only_with_tls(room: Room) -> None:
    if room.session.address.tls is None:
        room.not_applicable("the server is tested without TLS")


@case("tls.from-the-start", "TLS-1", needs=TALK)
def from_the_start(room: Room) -> None:
    """A server that offers TLS MUST start the TLS handshake with the first octet of the
    connection."""
    _only_with_tls(room)
    # Every connection of the suite does just that, and reads nothing outside TLS.
    alice, bob = room.join("alice"), room.join("bob")
    text = room.text()
    alice.tell(bob, text)
    bob.expect(message(text))


@case("tls.end-without-notice", "TLS-3", needs=TALK, risk=Risk.DEADLY)
def end_without_notice(room: Room) -> None:
    """An endpoint MUST treat the end of a TLS connection without `close_notify` as end of
    stream."""
    _only_with_tls(room)
    bob, alice = room.join("bob"), room.join("alice")
    room.settle()
    bob.forget()
    text = room.text("last words")
    alice.say(text)
    alice.half_close(notify=False)
    bob.expect(message(text), permitted="what came before the end is relayed")
    bob.expect(
        about(alice.username).but_not("last words"), permitted="the end is announced as a leave"
    )


@case("tls.plain-client", "ROBUST-1", needs=TALK, risk=Risk.DEADLY)
def plain_client(room: Room) -> None:
    """A server MUST keep serving every other client, whatever octets one client sends."""
    _only_with_tls(room)
    room.bystanders()
    plain = room.connect("plain", tls=False)
    plain.spoilt = True
    plain.send(b'{"username": "plain"}\n')
    room.bystander_unharmed()
    plain.wait_end()
    room.bystander_unharmed()
