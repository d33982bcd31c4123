"""Messages for everyone: the text, and the members around it."""

from __future__ import annotations

from ..matches import ANY, message
from ..registry import Risk, case
from ..vocabulary import FailureError, Room
from .common import JOIN, SAY

#: Texts that something on the way might change.
TEXTS = (
    "plain",
    "  spaces at both ends  ",
    "line\nfeed\r\nand\ttab",
    "\u0000\u0001\u001f\u007f\u0085",
    'quotes " and \\ backslashes \\n \\u0041 / <b>&amp;</b>',
    "gr\u00fc\u00dfe und \u0065\u0301 (not NFC) \u212b \ufb01",
    "\U0001f600\U0001f468\u200d\U0001f469\u200d\U0001f467 \U0010ffff",
    "\ufeff\ufffe\uffff\ufdd0 noncharacters and a BOM",
    "\u202ertl override\u202c \u2066isolate\u2069 \u200b\u2028\u2029",
    "null",
    '{"message": "nested", "dm": null}',
    "User has connected",
)


@case("messages.everyone", "DM-1", "DELIV-8", needs=JOIN)
def everyone(room: Room) -> None:
    """A server MUST relay a message whose `dm` is null to everyone."""
    alice, bob = room.join("alice"), room.join("bob")
    text = room.text()
    alice.say(text)
    if bob.wait_for(message(text)):
        room.proved.update(("DM-1", "DELIV-8"))
        return
    # Perhaps it waits until somebody sends something: that is another fault.
    for person in (alice, bob):
        person.frame({"message": room.text("nudge"), "sender": person.username, "dm": None})
    if bob.wait_for(message(text)):
        room.fail("the message is relayed at once", "only after further input", req="DELIV-8")
        raise FailureError
    bob.expect(message(text), req="DM-1", within=0.0)


@case("messages.empty", "MSG-4", needs=SAY)
def empty(room: Room) -> None:
    """A server MUST relay an empty text like any other."""
    alice, bob = room.join("alice"), room.join("bob")
    alice.say("")
    bob.expect(message("", sender=alice.username))


@case("messages.text-unchanged", "MSG-3", needs=SAY)
def text_unchanged(room: Room) -> None:
    """A server MUST relay the text of a message unchanged, code point for code point."""
    alice, bob = room.join("alice"), room.join("bob")
    for text in TEXTS:
        whole = f"{text}{room.text('|')}{text}"
        alice.say(whole)
        bob.expect(message(whole))


@case("messages.dm-empty", "DM-2", needs=SAY)
def dm_empty(room: Room) -> None:
    """A server MUST relay a message whose `dm` is `""` to everyone."""
    alice, bob, carol = room.join("alice"), room.join("bob"), room.join("carol")
    text = room.text()
    alice.say(text, dm="")
    for observer in (bob, carol):
        observer.expect(message(text))


@case("messages.dm-absent", "DM-3", needs=SAY)
def dm_absent(room: Room) -> None:
    """A server MUST relay a message without `dm` to everyone."""
    alice, bob, carol = room.join("alice"), room.join("bob"), room.join("carol")
    text = room.text()
    alice.frame({"message": text, "sender": alice.username})
    for observer in (bob, carol):
        observer.expect(message(text))


@case("messages.sender-not-believed", "MSG-8", needs=SAY)
def sender_not_believed(room: Room) -> None:
    """A server MUST send the username under which the sender joined as `sender` of a relayed
    message."""
    alice, bob, carol = room.join("alice"), room.join("bob"), room.join("carol")
    for claimed in (alice.username, bob.username, carol.username, ""):
        text = room.text()
        alice.say(text, sender=claimed)
        relayed = carol.must_get(message(text))
        room.claim(
            relayed.get("sender") == alice.username,
            f"sender {alice.username!r} where the frame said {claimed!r}",
            relayed,
        )
        text = room.text()
        alice.tell(carol, text, sender=claimed)
        relayed = carol.must_get(message(text))
        room.claim(
            relayed.get("sender") == alice.username,
            f"sender {alice.username!r} in a private message that said {claimed!r}",
            relayed,
        )


@case("messages.other-members-ignored", "MSG-5", needs=SAY, risk=Risk.DEADLY)
def other_members_ignored(room: Room) -> None:
    """A server MUST relay a message whatever the members `sender`, `length` and `date` of the
    client's frame are, and when they are absent."""
    alice, bob = room.join("alice"), room.join("bob")
    text = room.text()
    alice.frame({"message": text, "dm": None})
    bob.expect(message(text), permitted="a message without sender, length and date is relayed")
    values: tuple[object, ...] = (None, 5, -1, 1e300, True, "nobody", "", [], {"a": 1})
    for wrong in values:
        text = room.text()
        alice.say(text, sender=wrong, length=wrong, date=wrong)
        bob.expect(
            message(text), permitted=f"a message with sender, length, date {wrong!r} is relayed"
        )


@case("messages.dm-null", "MSG-9", needs=SAY)
def dm_null(room: Room) -> None:
    """A server MUST send `"dm": null` in a message that is relayed to everyone."""
    alice, bob = room.join("alice"), room.join("bob")
    text = room.text()
    alice.say(text)
    relayed = bob.must_get(message(text))
    room.claim(relayed.get("dm", "absent") is None, "dm null", relayed)
    text = room.text()
    alice.say(text, dm="")
    if again := bob.wait_for(message(text)):
        room.claim(again.get("dm", "absent") is None, 'dm null where the client sent ""', again)


@case("messages.length", "MSG-11", needs=SAY)
def length(room: Room) -> None:
    """A server MUST send the number of code points of `message` as `length`."""
    alice, bob = room.join("alice"), room.join("bob")
    for text in (room.text(), room.text("gr\u00fc\u00dfe \U0001f600\u0301"), room.text("x" * 500)):
        alice.say(text, length=1)
        relayed = bob.must_get(message(text))
        actual = relayed.get("length")
        room.claim(actual == len(text), f"length {len(text)}", f"length {actual!r}")


@case("messages.members-not-copied", "MSG-14", needs=SAY)
def members_not_copied(room: Room) -> None:
    """A server MUST NOT copy a member of the client's frame other than `message` and `dm` into
    the frame that it relays."""
    alice, bob = room.join("alice"), room.join("bob")
    text = room.text()
    # Names of the case's own: a server may add members, and some of those may be common ones.
    extra: dict[str, object] = {f"x-{room.token}": {"a": [1]}, f"colour-{room.token}": "red"}
    alice.say(text, **extra)
    relayed = bob.must_get(message(text, sender=ANY))
    copied = sorted(set(extra) & set(relayed))
    room.claim(not copied, "none of the client's other members", f"relayed with {copied}")
