"""Faults in what is said: which frame it is, what is relayed to whom, notices, order."""

# ruff: noqa: ARG002 - what is overridden has one shape
from __future__ import annotations

import json
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from chatroom_protocol.connection import ServerEvent
from chatroom_protocol.errors import (
    ErrorCode,
    ProtocolViolation,
    Refusal,
    Rejection,
    RejectionCode,
    ViolationCode,
)
from chatroom_protocol.frames import JOIN_TEXT, ClientMessage
from chatroom_protocol.room import Action, LeaveReason, Send, _Member, _Outbox

from ..fault import Fault
from ..host import (
    Change,
    Connection,
    HostedRoom,
    Item,
    Members,
    Peer,
    Sent,
    Server,
    edit,
    kind_of,
    message,
    octets,
)
from .people import _first_frame, _twice, _with

_Out = _Outbox[Peer]
#: A text of so many code points may be too long to be relayed.
_LONG = 4096
Heard = Callable[[Connection, Members], Item | Rejection | ClientMessage | None]


def _violation() -> ProtocolViolation:
    return ProtocolViolation(ViolationCode.NOT_JSON, "it isn't liked", 0)


# ---- which frame it is


def _no_message_in_joins(_: Connection, item: Item) -> Item:
    """Take a first frame with a message for no join."""
    has = isinstance(item, dict) and "message" in item
    return {} if has else item


def _false_is_no_disconnect(_: Connection, frame: Members) -> Members:
    """Take a frame with `disconnect` false for a message."""
    if frame.get("disconnect") is False and "message" in frame:
        return {name: frame[name] for name in frame if name != "disconnect"}
    return frame


def _message_before_disconnect(_: Connection, frame: Members) -> Members:
    """Take a frame with a message for a message."""
    if "message" in frame:
        return {name: frame[name] for name in frame if name != "disconnect"}
    return frame


def _last_words(connection: Connection, frame: Members) -> Members:
    """Relay the message of a disconnect."""
    if frame.get("disconnect") is True and isinstance(frame.get("message"), str):
        peer = connection.peer
        for other in peer.server.room.others(peer):
            peer.server.send(other, octets(message(frame["message"], peer.username)))
    return frame


def _ping_besides(connection: Connection, frame: Members) -> Members:
    """Answer the ping of a message."""
    if {"ping", "message"} <= set(frame) and "ping" in connection.granted:
        connection.peer.server.send(connection.peer, octets({"pong": frame["ping"]}))
    return frame


def _ping_first(connection: Connection, frame: Members) -> Members:
    """Take a frame with a ping for a ping."""
    if "ping" in frame and "disconnect" not in frame and "ping" in connection.granted:
        return {"ping": frame["ping"]}
    return frame


def _second_join(connection: Connection, frame: Members) -> Members | None:
    """Take a second join for the name to speak under from now on."""
    memory = connection.peer.memory
    memory.setdefault("sender", connection.username)
    name = frame.get("username")
    if "message" in frame or "disconnect" in frame or not isinstance(name, str):
        return frame
    memory["sender"] = name or memory["sender"]
    return None


def _is_second_join(frame: Members) -> bool:
    return "username" in frame and not {"message", "disconnect"} & set(frame)


def _second_join_answered(connection: Connection, frame: Members) -> Members:
    """Refuse a second join, and stay with the first."""
    if _is_second_join(frame):
        refusal = {"isConnected": False, "errorCode": 4}
        connection.peer.server.send(connection.peer, octets(refusal))
    return frame


def _second_join_announced(connection: Connection, frame: Members) -> Members:
    """Announce a second join, and stay with the first."""
    name = frame.get("username")
    if _is_second_join(frame) and isinstance(name, str) and name:
        peer = connection.peer
        for other in peer.server.room.others(peer):
            peer.server.send(other, octets(message(JOIN_TEXT, name)))
    return frame


def _second_join_ends(_: Connection, frame: Members) -> Item:
    """Take a second join for a violation."""
    return _violation() if _is_second_join(frame) else frame


def _version_wanted(_: Connection, item: Item) -> Item | Refusal:
    """Refuse a join of another version."""
    wrong = isinstance(item, dict) and item.get("version", 1) != 1
    return Refusal(ErrorCode.NOT_A_JOIN, "") if wrong else item


def _no_reasons(_: Connection, frame: Members) -> Members | None:
    """Ignore a disconnect with a reason."""
    return None if {"disconnect", "reason"} <= set(frame) else frame


def _unknown_is_rejected(_: Connection, frame: Members) -> Members | Rejection:
    """Send a notice for an object with members of no meaning."""
    known = {"disconnect", "message", "ping", "pong", "username", "roster", "isConnected"}
    if frame and not known & set(frame):
        return Rejection(RejectionCode.BAD_MESSAGE, "the frame is of no known kind")
    return frame


def _unknown_is_empty(_: Connection, frame: Members) -> Members:
    """Take an object with members of no meaning for a message without text."""
    known = {"disconnect", "message", "ping", "pong", "username", "roster"}
    return frame if known & set(frame) else {"message": ""}


def _no_private_members(_: Connection, frame: Members) -> Members | None:
    """Ignore a frame with a member whose name begins with `x-`."""
    return None if any(name.startswith("x-") for name in frame) else frame


@edit("left")
def _two_kinds(_: Peer, frame: Members) -> None:
    frame["pong"] = ""


# ---- messages


def _composed(_: Connection, frame: Members) -> Members:
    """Bring texts into NFC."""
    text = frame.get("message")
    if isinstance(text, str):
        return {**frame, "message": unicodedata.normalize("NFC", text)}
    return frame


def _dropping(wrongly: Callable[[Members], bool]) -> Change:
    """Ignore messages where the function says so."""

    def heard(_: Connection, frame: Members) -> Members | None:
        is_message = "message" in frame and "disconnect" not in frame
        return None if is_message and wrongly(frame) else frame

    return Change(heard=heard)


def _number_as_text(_: Connection, frame: Members) -> Members:
    """Relay a number as its digits."""
    if type(frame.get("message")) in (int, float):
        return {**frame, "message": str(frame["message"])}
    return frame


def _anything_as_text(_: Connection, frame: Members) -> Members:
    """Relay what is no string as JSON."""
    if isinstance(frame.get("message", ""), str) or {"disconnect", "ping"} & set(frame):
        return frame
    return {**frame, "message": json.dumps(frame["message"])}


def _no_kind_no_client(_: Connection, frame: Members) -> Item:
    """Take an object with members of no meaning for a violation."""
    known = {"disconnect", "message", "ping", "pong", "username", "roster"}
    return frame if known & set(frame) else _violation()


def _is_typed_wrongly(frame: Members) -> bool:
    types = {"sender": str, "length": int, "date": str}
    return any(not isinstance(frame.get(name, kind()), kind) for name, kind in types.items())


def _wrong_dm_is_everyone(_: Connection, frame: Members) -> Members:
    """Take a `dm` that is no string for null."""
    return frame if isinstance(frame.get("dm"), str) else {**frame, "dm": None}


def _zero_dm_is_everyone(_: Connection, frame: Members) -> Members:
    """Take a `dm` that counts as false for null."""
    return frame if frame.get("dm") else {**frame, "dm": None}


def _empty_dm_is_a_name(_: Connection, frame: Members) -> Members | Rejection:
    """Look for a user with the name `""`."""
    if frame.get("dm") == "" and "message" in frame and "disconnect" not in frame:
        return Rejection(RejectionCode.UNKNOWN_ADDRESSEE, "nobody has the name ''")
    return frame


class _RelayRoom(HostedRoom):
    """Relays by a function of its own."""

    def relay(self, key: Peer, event: ClientMessage, out: _Out) -> bool:
        """Relay a message; False if it is to be relayed as it should."""
        raise NotImplementedError

    def _relay(self, key: Peer, member: _Member, event: ClientMessage, out: _Out) -> None:
        if not self.relay(key, event, out):
            super()._relay(key, member, event, out)


class _DeafRoom(_RelayRoom):
    """Relays nothing to everyone."""

    def relay(self, key: Peer, event: ClientMessage, out: _Out) -> bool:
        return event.dm is None


class _NoWhisperRoom(_RelayRoom):
    """Relays nothing private."""

    def relay(self, key: Peer, event: ClientMessage, out: _Out) -> bool:
        return event.dm is not None and event.dm in self.usernames


class _LeakingRoom(_RelayRoom):
    """Lets the user who joined last read what is private."""

    def relay(self, key: Peer, event: ClientMessage, out: _Out) -> bool:
        receiver = self.key_of(event.dm or "")
        last = self.joined()[-1]
        if receiver is not None and last not in (receiver, key):
            self.leak(key, last, octets(message(event.message, key.username, event.dm)), out)
        return False

    def leak(self, key: Peer, to: Peer, data: bytes, out: _Out) -> None:
        """Send it to who isn't meant."""
        out.send((to,), data)


class _SlowlyLeakingRoom(_LeakingRoom):
    """The same, 5 ms later."""

    def leak(self, key: Peer, to: Peer, data: bytes, out: _Out) -> None:
        def send() -> None:
            if to in self.joined():
                self.server.send(to, data)

        assert isinstance(self.server, _BusyServer)
        self.server.occupy(key, 0.005, send)


class _BusyServer(Server):
    """Can be busy with one client for a time, like a server with a thread for each."""

    def occupy(self, peer: Peer, seconds: float, then: Callable[[], None]) -> None:
        """Take nothing from this client for so long, do something, and take what came."""
        if "busy" in peer.memory:
            peer.memory["busy"].append(lambda: self.occupy(peer, seconds, then))
            return
        peer.memory["busy"] = []
        self.later(seconds, lambda: self._release(peer, then))

    def _release(self, peer: Peer, then: Callable[[], None]) -> None:
        then()
        for report in peer.memory.pop("busy"):
            self._when_free(peer, report)

    def _when_free(self, peer: Peer, report: Callable[[], None]) -> None:
        if "busy" in peer.memory:
            peer.memory["busy"].append(report)
        else:
            report()

    def received(self, peer: Peer, data: bytes) -> None:
        base = super().received
        self._when_free(peer, lambda: base(peer, data))

    def ended(self, peer: Peer) -> None:
        base = super().ended
        self._when_free(peer, lambda: base(peer))

    def lost(self, peer: Peer, *, reset: bool) -> None:
        base = super().lost
        self._when_free(peer, lambda: base(peer, reset=reset))


class _CopyingRoom(_RelayRoom):
    """Sends who says something private a copy."""

    def relay(self, key: Peer, event: ClientMessage, out: _Out) -> bool:
        if event.dm in self.usernames and event.dm != key.username:
            out.send((key,), octets(message(event.message, key.username, event.dm)))
        return False


class _SoliloquyRoom(_RelayRoom):
    """Relays a message to oneself to everyone too."""

    def relay(self, key: Peer, event: ClientMessage, out: _Out) -> bool:
        if event.dm == key.username:
            out.send(self.others(key), octets(message(event.message, key.username)))
        return False


class _LooseRoom(_RelayRoom):
    """Finds an addressee without regard to case."""

    def relay(self, key: Peer, event: ClientMessage, out: _Out) -> bool:
        name = (event.dm or "").casefold()
        found = [who for who in self.joined() if who.username.casefold() == name]
        if event.dm in self.usernames or not found:
            return False
        out.send(tuple(found), octets(message(event.message, key.username, found[0].username)))
        return True


class _SelflessRoom(_RelayRoom):
    """Relays nothing to oneself."""

    def relay(self, key: Peer, event: ClientMessage, out: _Out) -> bool:
        return event.dm == key.username


class _MirrorRoom(_RelayRoom):
    """Relays to oneself twice."""

    def relay(self, key: Peer, event: ClientMessage, out: _Out) -> bool:
        if event.dm == key.username:
            out.send((key,), octets(message(event.message, key.username, event.dm)))
        return False


class _RememberingRoom(HostedRoom):
    """Knows who was here."""

    def __init__(self, change: Change) -> None:
        super().__init__(change)
        self.gone: set[str] = set()

    def _leave(self, key: Peer, reason: LeaveReason, out: _Out) -> None:
        super()._leave(key, reason, out)
        self.gone.add(key.username)

    def is_gone(self, name: str | None) -> bool:
        """Whether somebody of this name was here, and isn't; words of one part don't count."""
        return name in self.gone and name not in self.usernames and "-" in str(name)


class _ForwardingRoom(_RememberingRoom):
    """Relays a message to who has left to everyone."""

    def _relay(self, key: Peer, member: _Member, event: ClientMessage, out: _Out) -> None:
        if self.is_gone(event.dm):
            event = ClientMessage(event.message, None, event.sender)
        super()._relay(key, member, event, out)


class _OpenRoom(HostedRoom):
    """Relays a message to nobody to everyone."""

    def _relay(self, key: Peer, member: _Member, event: ClientMessage, out: _Out) -> None:
        if event.dm is not None and event.dm not in self._users:
            event = ClientMessage(event.message, None, event.sender)
        super()._relay(key, member, event, out)


class _DoubtingRoom(_RememberingRoom):
    """Rejects a message to who has left, and relays it to everyone."""

    def _relay(self, key: Peer, member: _Member, event: ClientMessage, out: _Out) -> None:
        super()._relay(key, member, event, out)
        if self.is_gone(event.dm):
            data = octets(message(event.message, key.username))
            out.send(self.others(key), data)


class _StrictRoom(_RememberingRoom):
    """Cuts off who sends a message to who has left."""

    def _relay(self, key: Peer, member: _Member, event: ClientMessage, out: _Out) -> None:
        if self.is_gone(event.dm):
            self._abort(key, LeaveReason.VIOLATION, out)
        else:
            super()._relay(key, member, event, out)


def _believing(connection: Connection, frame: Members) -> Members:
    """Note under which name somebody speaks."""
    sender = frame.get("sender")
    known = isinstance(sender, str) and sender in connection.peer.server.room.usernames
    connection.peer.memory["sender"] = sender if known else connection.username
    return frame


class _BelievingRoom(_RelayRoom):
    """Relays under the name that a frame claims, if somebody has it."""

    def relay(self, key: Peer, event: ClientMessage, out: _Out) -> bool:
        sender = key.memory["sender"]
        if sender == key.username:
            return False
        receiver = self.key_of(event.dm or "")
        to = self.others(key) if event.dm is None else (receiver,) if receiver else ()
        out.send(to, octets(message(event.message, sender, event.dm)))
        return bool(to)


@edit("said", "private")
def _utf16_length(_: Peer, frame: Members) -> None:
    frame["length"] = len(frame["message"].encode("utf-16-le", "surrogatepass")) // 2


@edit("said", "private", "joined", "left", "notice")
def _with_t(_: Peer, frame: Members) -> None:
    frame["date"] = frame["date"].replace(" ", "T")


@edit("said", "private", "joined", "left", "notice")
def _local_time(_: Peer, frame: Members) -> None:
    frame["date"] = frame["date"][:19]


@edit("left")
def _undated(_: Peer, frame: Members) -> None:
    del frame["date"]


def _remembering_extras(connection: Connection, frame: Members) -> Members:
    """Keep members that tell of a colour."""
    extras = {name: frame[name] for name in frame if name.startswith("colour")}
    connection.peer.memory["colours"] = extras
    return frame


def _coloured(peer: Peer, frame: Members) -> Iterator[Members]:
    """Add the colours of who speaks."""
    speaker = peer.server.room.key_of(str(frame.get("sender")))
    colours = speaker.memory.get("colours", {}) if speaker else {}
    yield {**frame, **colours} if kind_of(frame) == "said" else frame


# ---- notices


class _LoudServer(Server):
    """Sends notices about unknown addressees to everybody."""

    def send(self, peer: Peer, data: bytes) -> None:
        frame = _first_frame(data)
        if kind_of(frame) == "notice" and "is here" in frame["message"]:
            for other in self.room.joined():
                super().send(other, data)
        else:
            super().send(peer, data)


def _silent(word: str) -> Sent:
    """Send no notices with this word."""

    def sent(_: Peer, frame: Members) -> Iterator[Members]:
        if kind_of(frame) != "notice" or word not in frame["message"]:
            yield frame

    return sent


# ---- delivery


class _ThreeHearRoom(_RelayRoom):
    """Relays to three others at most."""

    def relay(self, key: Peer, event: ClientMessage, out: _Out) -> bool:
        short = event.dm is None and len(event.message) < _LONG
        if short:
            to = self.others(key)[:3]
            out.send(to, octets(message(event.message, key.username)))
        return short


class _EchoRoom(_RelayRoom):
    """Relays what is said to everyone to its sender too."""

    def relay(self, key: Peer, event: ClientMessage, out: _Out) -> bool:
        short = event.dm is None and len(event.message) < _LONG
        if short:
            out.send(self.joined(), octets(message(event.message, key.username)))
        return short


class _StutteringRoom(_RelayRoom):
    """Sends every 50th message of a user twice."""

    def relay(self, key: Peer, event: ClientMessage, out: _Out) -> bool:
        number = key.memory["said"] = key.memory.get("said", 0) + 1
        receiver = self.key_of(event.dm or "")
        if receiver and number % 50 == 0:
            out.send((receiver,), octets(message(event.message, key.username, event.dm)))
        return False


class _OvertakingRoom(HostedRoom):
    """Sends the 50th message of a user behind the 51st."""

    def _relay(self, key: Peer, member: _Member, event: ClientMessage, out: _Out) -> None:
        number = key.memory["said"] = key.memory.get("said", 0) + 1
        if number % 500 == 50:
            key.memory["kept"] = event
            return
        super()._relay(key, member, event, out)
        kept = key.memory.pop("kept", None)
        if kept is not None:
            super()._relay(key, member, kept, out)


class _TwoOrdersServer(Server):
    """Sends what is said up to 4 ms later, differently for different receivers.

    What one user causes at one receiver keeps its order.
    """

    def __init__(self, change: Change) -> None:
        super().__init__(change)
        self._numbers_of: dict[str, int] = {}
        self._late: Counter[tuple[str, Peer]] = Counter()

    def _number(self, name: str) -> int:
        return self._numbers_of.setdefault(name, len(self._numbers_of))

    def perform(self, action: Action[Peer]) -> None:
        frame = _first_frame(action.data) if isinstance(action, Send) else {}
        speaker = frame.get("sender")
        if not isinstance(action, Send) or not speaker:
            super().perform(action)
            return
        for peer in action.connections:
            if kind_of(frame) == "said" or self._late[speaker, peer]:
                self._late[speaker, peer] += 1
                late = self._number(speaker) * self._number(peer.username) % 3
                self.later(0.002 * late, self._sending(speaker, peer, action.data))
            else:
                self.send(peer, action.data)

    def _sending(self, speaker: str, peer: Peer, data: bytes) -> Callable[[], None]:
        def send() -> None:
            self._late[speaker, peer] -= 1
            if peer.link.has_joined:
                self.send(peer, data)

        return send


class _HastyConnection(Connection):
    """Looks for a disconnect, or a violation, before it looks at the frames before it."""

    def next_event(self) -> ServerEvent | None:
        if self.has_joined and any(map(self.ends, self._pending)):
            while not self.ends(self._pending[0]):
                self._pending.popleft()
        return super().next_event()

    @staticmethod
    def ends(item: Item) -> bool:
        """Whether this is what it looks for."""
        raise NotImplementedError


class _HastyLeaverConnection(_HastyConnection):
    @staticmethod
    def ends(item: Item) -> bool:
        return isinstance(item, dict) and item.get("disconnect") is True


class _HastyViolatorConnection(_HastyConnection):
    @staticmethod
    def ends(item: Item) -> bool:
        return isinstance(item, ProtocolViolation)


class _HastyServer(Server):
    """Announces a leave before it relays what came with it."""

    def act(self, actions: Any) -> None:
        actions = list(actions)
        kinds = [
            kind_of(_first_frame(action.data)) if isinstance(action, Send) else ""
            for action in actions
        ]
        if "left" in kinds and "said" in kinds:
            actions.insert(kinds.index("said"), actions.pop(kinds.index("left")))
        super().act(actions)


class _LateServer(Server):
    """Relays what is said to everyone when somebody sends something else."""

    def __init__(self, change: Change) -> None:
        super().__init__(change)
        self._kept: list[Action[Peer]] = []

    def received(self, peer: Peer, data: bytes) -> None:
        kept, self._kept = self._kept, []
        for action in kept:
            super().perform(action)
        super().received(peer, data)

    def perform(self, action: Action[Peer]) -> None:
        if isinstance(action, Send) and kind_of(_first_frame(action.data)) == "said":
            self._kept.append(action)
        else:
            super().perform(action)


FAULTS = (
    Fault("message-is-no-join", "KIND-1", "A join with a message is none.",
          Change(first=_no_message_in_joins)),
    Fault("false-is-no-disconnect", "KIND-2", "A frame with `disconnect` false is a message.",
          Change(heard=_false_is_no_disconnect)),
    Fault("message-before-disconnect", "KIND-2", "A disconnect with a message is a message.",
          Change(heard=_message_before_disconnect)),
    Fault("last-words-relayed", "KIND-2", "The message in a disconnect is relayed.",
          Change(heard=_last_words)),
    Fault("ping-besides-message", "KIND-3", "The ping in a message is answered too.",
          Change(heard=_ping_besides)),
    Fault("ping-before-message", "KIND-3", "A message with a ping is a ping.",
          Change(heard=_ping_first)),
    Fault("second-join-renames", "KIND-4", "A second join changes the name of the sender.",
          Change(heard=_second_join, room=_BelievingRoom)),
    Fault("second-join-answered", "KIND-4", "A second join is answered with a refusal.",
          Change(heard=_second_join_answered)),
    Fault("second-join-announced", "KIND-4", "A second join is announced.",
          Change(heard=_second_join_announced)),
    Fault("second-join-ends", "KIND-4", "A second join is a violation.",
          Change(heard=_second_join_ends)),
    Fault("unknown-is-rejected", "KIND-5", "A frame of no known kind gets a notice.",
          Change(heard=_unknown_is_rejected)),
    Fault("unknown-is-empty", "KIND-5", "A frame of no known kind is an empty message.",
          Change(heard=_unknown_is_empty),
          {"JSON-10": "a frame with a name in other letters is of no known kind"}),
    Fault("unknown-is-the-end", "KIND-5", "A frame of no known kind is a violation.",
          Change(heard=_no_kind_no_client),
          {"JSON-10": "a frame with a name in other letters is of no known kind"}),
    Fault("private-members-matter", "KIND-6", "A frame with a member x-… is ignored.",
          Change(heard=_no_private_members)),
    Fault("version-wanted", "KIND-6", "A join with a `version` other than 1 is refused.",
          Change(first=_version_wanted)),
    Fault("ids-matter", "KIND-6", "A message with an `id` is ignored.",
          _dropping(lambda frame: "id" in frame)),
    Fault("reasons-matter", "KIND-6", "A disconnect with a `reason` is ignored.",
          Change(heard=_no_reasons)),
    Fault("two-kinds-at-once", "KIND-10", "Leave announcements have a member `pong`.",
          Change(sent=_two_kinds)),
    Fault("composed", "MSG-3", "Texts are brought into NFC.", Change(heard=_composed)),
    Fault("empty-texts-dropped", "MSG-4", "An empty text is ignored.",
          _dropping(lambda frame: frame["message"] == "")),
    Fault("sender-wanted", "MSG-5", "A message without sender is ignored.",
          _dropping(lambda frame: "sender" not in frame)),
    Fault("length-checked", "MSG-5", "A message with a negative length is ignored.",
          _dropping(lambda frame: frame.get("length") == -1)),
    Fault("types-checked", "MSG-5", "A message with members of wrong types is ignored.",
          _dropping(_is_typed_wrongly)),
    Fault("anything-relayed", "MSG-6", "What is no string is relayed as JSON.",
          Change(heard=_anything_as_text)),
    Fault("numbers-relayed", "MSG-6", "A number as message is relayed as its digits.",
          Change(heard=_number_as_text)),
    Fault("nobody-hears", "DM-1", "What is said to everyone is relayed to nobody.",
          Change(room=_DeafRoom)),
    Fault("empty-dm-is-a-name", "DM-2", "A `dm` of \"\" is nobody's name.",
          Change(heard=_empty_dm_is_a_name)),
    Fault("dm-wanted", "DM-3", "A message without `dm` is ignored.",
          _dropping(lambda frame: "dm" not in frame)),
    Fault("no-whispers", "DM-4", "Private messages are lost.", Change(room=_NoWhisperRoom)),
    Fault("leak", "DM-5", "Who joined last reads private messages.", Change(room=_LeakingRoom)),
    Fault("slow-leak", "DM-5", "Who joined last reads private messages 5 ms later.",
          Change(room=_SlowlyLeakingRoom, server=_BusyServer)),
    Fault("copy-to-sender", "DM-5", "The sender gets a copy of a private message.",
          Change(room=_CopyingRoom)),
    Fault("soliloquy", "DM-5", "A message to oneself reaches everyone too.",
          Change(room=_SoliloquyRoom),
          {"DM-6": "the vector for it rules out that others get it"}),
    Fault("addressee-in-any-case", "NAME-10", "Addressees are found without regard to case.",
          Change(room=_LooseRoom)),
    Fault("not-to-oneself", "DM-6", "A message to oneself is lost.", Change(room=_SelflessRoom)),
    Fault("twice-to-oneself", "DM-6", "A message to oneself comes twice.",
          Change(room=_MirrorRoom)),
    Fault("forwarded", "DM-7", "A message to who has left is relayed to everyone.",
          Change(room=_ForwardingRoom)),
    Fault("nobody-is-everyone", "DM-7", "A message to nobody is relayed to everyone.",
          Change(room=_OpenRoom),
          {"NAME-10": "a name that is nearly right is nobody's"}),
    Fault("wrong-dm-is-everyone", "DM-8", "A `dm` that is no string is everyone.",
          Change(heard=_wrong_dm_is_everyone)),
    Fault("zero-is-everyone", "DM-8", "A `dm` of 0 or false is everyone.",
          Change(heard=_zero_dm_is_everyone)),
    Fault("undated-leaves", "MSG-7", "Leave announcements have no date.", Change(sent=_undated)),
    Fault("sender-believed", "MSG-8", "Messages are relayed under the name they claim.",
          Change(heard=_believing, room=_BelievingRoom)),
    Fault("dm-empty-sent", "MSG-9", "A message to everyone has `dm` \"\".",
          Change(sent=_with("said", dm=""))),
    Fault("dm-null-in-private", "MSG-10", "A private message has `dm` null.",
          Change(sent=_with("private", dm=None))),
    Fault("utf-16-length", "MSG-11", "`length` counts UTF-16 code units.",
          Change(sent=_utf16_length)),
    Fault("date-with-t", "MSG-12", "There is a T in the date.", Change(sent=_with_t)),
    Fault("date-without-offset", "MSG-12", "The date has no offset.", Change(sent=_local_time)),
    Fault("member-copied", "MSG-14", "Members that begin with `colour` are relayed.",
          Change(heard=_remembering_extras, sent=_coloured)),
    Fault("notice-to-null", "NOTICE-1", "A notice has `dm` null.",
          Change(sent=_with("notice", dm=None))),
    Fault("notice-from-server", "NOTICE-1", "A notice has the sender `server`.",
          Change(sent=_with("notice", sender="server"))),
    Fault("loud-notices", "NOTICE-2", "Notices about unknown addressees go to everybody.",
          Change(server=_LoudServer),
          {"NOTICE-1": "a notice for another has another's name as `dm`"}),
    Fault("empty-notices", "NOTICE-3", "Notices are empty.",
          Change(sent=_with("notice", message="", length=0))),
    Fault("three-hear", "DELIV-1", "What is said reaches three others.",
          Change(room=_ThreeHearRoom)),
    Fault("echo", "DELIV-2", "What is said to everyone comes back.", Change(room=_EchoRoom)),
    Fault("said-twice", "DELIV-3", "What is said to everyone comes twice.",
          Change(sent=_twice("said"))),
    Fault("stutter", "DELIV-3", "Every 50th private message comes twice.",
          Change(room=_StutteringRoom)),
    Fault("overtaking", "DELIV-4", "The 50th message of a user comes behind the 51st.",
          Change(room=_OvertakingRoom)),
    Fault("two-orders", "DELIV-5", "Receivers get messages in different orders.",
          Change(server=_TwoOrdersServer)),
    Fault("leaves-first", "DELIV-6", "What came right before a disconnect is dropped.",
          Change(connection=_HastyLeaverConnection)),
    Fault("violations-first", "DELIV-6", "What came right before a violation is dropped.",
          Change(connection=_HastyViolatorConnection)),
    Fault("leave-announced-first", "DELIV-7", "A leave is announced before the last words.",
          Change(server=_HastyServer)),
    Fault("late-relay", "DELIV-8", "What is said is relayed at the next input.",
          Change(server=_LateServer)),
    Fault("rejected-and-relayed", "REJECT-1", "A message to who has left is rejected, and relayed.",
          Change(room=_DoubtingRoom)),
    Fault("rejected-and-closed", "REJECT-2", "A message to who has left closes the connection.",
          Change(room=_StrictRoom)),
    Fault("no-word-on-message", "REJECT-3", "No notice tells of a message that is no string.",
          Change(sent=_silent("message has to be"))),
    Fault("no-word-on-dm", "REJECT-4", "No notice tells of a `dm` of a wrong type.",
          Change(sent=_silent("dm has to be"))),
    Fault("no-word-on-nobody", "REJECT-5", "No notice tells of an unknown addressee.",
          Change(sent=_silent("is here"))),
    Fault("no-word-on-length", "REJECT-6", "No notice tells of a message too long.",
          Change(sent=_silent("too long"))),
)  # fmt: skip
