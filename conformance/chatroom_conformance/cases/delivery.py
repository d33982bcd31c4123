"""Who gets what, how often, and in which order."""

from __future__ import annotations

from ..matches import about, message
from ..registry import Risk, case
from ..vocabulary import Client, Room
from .common import GLUE, JUNK, TALK, VIOLATED
from .framing import frame_of


@case("delivery.every-receiver", "DELIV-1", needs=TALK)
def every_receiver(room: Room) -> None:
    """A server MUST send a message for everyone to every client that is joined when the message
    is processed, other than its sender."""
    people = [room.join(label) for label in ("alice", "bob", "carol", "dave", "erin")]
    for sender in people:
        text = room.text()
        sender.say(text)
        for receiver in people:
            if receiver is not sender:
                receiver.expect(message(text))


@case("delivery.not-to-sender", "DELIV-2", needs=TALK, control="messages.everyone")
def not_to_sender(room: Room) -> None:
    """A server MUST NOT send a message for everyone to its sender."""
    alice, bob = room.join("alice"), room.join("bob")
    for dm in (None, ""):
        text = room.text()
        alice.say(text, dm=dm)
        if dm is None:
            bob.must_get(message(text))
        room.settle()
        alice.never(message(text), until=bob.sentinel_to(alice))


@case("delivery.once", "DELIV-3", needs=TALK, control="messages.everyone")
def once(room: Room) -> None:
    """A server MUST NOT send a message to any client more than once."""
    alice, bob = room.join("alice"), room.join("bob")
    said, whispered = room.text(), room.text()
    alice.say(said)
    bob.must_get(message(said))
    alice.tell(bob, whispered)
    bob.must_get(message(whispered))
    for text in (said, whispered):
        bob.never(message(text), until=alice.sentinel_to(bob))


@case("delivery.order", "DELIV-4", "DELIV-3", needs=GLUE, risk=Risk.FRAMING)
def order(room: Room) -> None:
    """A server MUST send the messages of one sender to each receiver in the order in which the
    sender sent them."""
    alice, bob = room.join("alice"), room.join("bob")
    texts = [room.text(f"number {number}") for number in range(1000)]
    for number, text in enumerate(texts):
        # A few are for everyone: the order covers both, and strangers are spared the rest.
        if number % 100 == 0:
            alice.say(text)
        else:
            alice.tell(bob, text)
    bob.must_get(message(texts[-1]), bob.bulk)
    bob.reach(alice.sentinel_to(bob))
    wanted = set(texts)
    heard = [f.value["message"] for f in bob.log if f.value and f.value.get("message") in wanted]
    firsts = list(dict.fromkeys(heard))
    room.claim(
        firsts == [text for text in texts if text in set(firsts)],
        "1,000 messages in the order they were sent",
        "they came in another order",
    )
    room.claim(
        len(heard) == len(firsts),
        "each of 1,000 messages at most once",
        f"{len(heard) - len(firsts)} came again",
        req="DELIV-3",
    )
    room.stop_unless(len(firsts) == len(texts), f"only {len(firsts)} of {len(texts)} came")


@case("delivery.one-order-for-all", "DELIV-5", needs=GLUE, risk=Risk.FRAMING)
def one_order_for_all(room: Room) -> None:
    """A server SHOULD send messages for everyone and announcements to all receivers in one and
    the same order."""
    senders = [room.join(label) for label in ("alice", "bob", "carol")]
    observers = [room.join(label) for label in ("dave", "erin", "frank")]
    said: set[str] = set()
    for _ in range(12):
        for sender in senders:
            text = room.text()
            said.add(text)
            sender.say(text)
    for observer in observers:
        for sender in senders:
            observer.reach(sender.sentinel_to(observer), observer.bulk)

    def heard(observer: Client) -> list[str]:
        values = [frame.value for frame in observer.log if frame.value]
        return [value["message"] for value in values if value.get("message") in said]

    orders = [heard(observer) for observer in observers]
    common = set(orders[0]).intersection(*orders)
    orders = [[text for text in one if text in common] for one in orders]
    room.claim(
        all(one == orders[0] for one in orders),
        "one order for all receivers",
        "two receivers got the messages of three senders in different orders",
    )


def _leave(alice: Client, way: str) -> bytes:
    return b"" if way == "half-close" else JUNK if way == "violation" else _disconnect(alice)


def _disconnect(alice: Client) -> bytes:
    return b'{"disconnect": true, "sender": "%s"}\n' % alice.username.encode()


def _last_words(room: Room, way: str) -> tuple[Client, Client, list[str]]:
    """Somebody says three things and leaves in one and the same segment."""
    bob, alice = room.join("bob"), room.join("alice")
    room.settle()
    bob.forget()
    texts = [room.text("last words") for _ in range(3)]
    frames = b"".join(frame_of(text) + b"\n" for text in texts)
    alice.spoilt = way != "disconnect"
    alice.send(frames + _leave(alice, way))
    if way == "half-close":
        alice.half_close()
    return alice, bob, texts


@case("delivery.before-disconnect", "DELIV-6", needs=GLUE, risk=Risk.FRAMING)
def before_disconnect(room: Room) -> None:
    """A server MUST process the frames that it received from a client before the client's
    disconnect, end of stream or violation."""
    _, bob, texts = _last_words(room, "disconnect")
    for text in texts:
        bob.expect(message(text))


@case("delivery.before-end-of-stream", "DELIV-6", needs=GLUE, risk=Risk.DEADLY)
def before_end_of_stream(room: Room) -> None:
    """A server MUST process the frames that it received from a client before the client's
    disconnect, end of stream or violation."""
    _, bob, texts = _last_words(room, "half-close")
    for text in texts:
        bob.expect(message(text))


@case("delivery.before-violation", "DELIV-6", needs=(*GLUE, *VIOLATED), risk=Risk.DEADLY)
def before_violation(room: Room) -> None:
    """A server MUST process the frames that it received from a client before the client's
    disconnect, end of stream or violation."""
    _, bob, texts = _last_words(room, "violation")
    for text in texts:
        bob.expect(message(text))


@case(
    "delivery.before-leave",
    "DELIV-7",
    needs=(*GLUE, "leaving.announced", "joining.announced"),
    risk=Risk.FRAMING,
)
def before_leave(room: Room) -> None:
    """A server MUST send the messages of a client before it announces that client's leave."""
    alice, bob, texts = _last_words(room, "disconnect")
    _in_order(room, alice, bob, texts)


@case(
    "delivery.before-leave-any-way",
    "DELIV-7",
    needs=(*GLUE, *VIOLATED, "joining.announced"),
    risk=Risk.DEADLY,
)
def before_leave_any_way(room: Room) -> None:
    """A server MUST send the messages of a client before it announces that client's leave."""
    for way in ("half-close", "violation"):
        alice, bob, texts = _last_words(room, way)
        _in_order(room, alice, bob, texts)


def _in_order(room: Room, alice: Client, bob: Client, texts: list[str]) -> None:
    leave = about(alice.username).but_not("last words").but_not("User has connected")
    bob.must_get(message(texts[-1]))
    bob.must_get(leave)
    last, left = bob.place_of(message(texts[-1])), bob.place_of(leave)
    room.claim(
        last is not None and left is not None and last < left,
        "what alice said comes before her leave",
        "her leave was announced before her last words",
    )
