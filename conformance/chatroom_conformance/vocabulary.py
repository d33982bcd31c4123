"""The words in which cases are written: a room, the clients in it, and what they expect.

    alice, bob = room.join("alice"), room.join("bob")
    text = room.text()
    alice.say(text)
    bob.expect(message(text, dm=None))
    alice.never(message(text), until=bob.sentinel_to(alice))

A claim that fails blames a requirement: the case's first one unless `req` names another. A step on
the way to a claim that fails (a join in a case about something else) blames nothing: the case is
INCONCLUSIVE then.
"""

from __future__ import annotations

import itertools
import json
import secrets
import threading
from collections.abc import Callable, Mapping
from typing import Any, NoReturn, Protocol

from attrs import astuple, define, field, frozen

from . import matches
from .matches import Match, short
from .reader import Frame, Junk
from .results import Check, Finding, Status, What
from .wire import Address, Connection, Network, ServerGoneError, Transcript


class FailureError(Exception):
    """A requirement is broken and the case can't go on."""


class InconclusiveError(Exception):
    """A step before the claim failed, so nothing is proved."""


class NotApplicableError(Exception):
    """The server doesn't have what the requirement is about."""


class Watcher(Protocol):
    """Sees every frame of the run: the monitors."""

    def item(self, room: Room, client: Client, item: Frame | Junk) -> None:
        """Look at one frame, or at octets that are none."""

    def end(self, room: Room, client: Client) -> None:
        """Look at a connection that the server ended."""


@define
class Patience:
    """How long things may take, in seconds."""

    answer: float = 2.0
    #: For the last of a thousand frames, or of many large ones.
    bulk: float = 15.0
    connect: float = 5.0
    leave: float = 1.0
    #: How long a case may take in all: no wait of its goes on after that.
    case: float = 30.0

    @classmethod
    def scaled(cls, scale: float) -> Patience:
        """The default times, times `scale`."""
        times = cls()
        return cls(*(scale * time for time in astuple(times)))


@define
class Session:
    """What the cases of one run share."""

    address: Address
    watcher: Watcher | None = None
    patience: Patience = field(factory=Patience)
    token: str = field(factory=lambda: secrets.token_hex(3))
    strangers: int = 0
    names: set[str] = field(factory=set)  #: all that were ever used
    #: Keep transcripts whole, to make a script of one.
    whole_transcripts: bool = False
    #: Set by another thread to end the run.
    stop: threading.Event = field(factory=threading.Event)
    #: People who stay in the room from case to case, while those are of the kind that uses them.
    #: A list for each thread.
    residents: dict[int, list[Client]] = field(factory=dict)
    #: Held by a case that can't bear another one of its kind beside it.
    alone: threading.Lock = field(factory=threading.Lock)
    #: False once the server left a disconnect frame unanswered: nobody waits long for that again.
    answers_leaves: bool = True
    #: Set once the server was full in a case that isn't about that: then it may be so at any time.
    gets_full: bool = False
    _numbers: itertools.count[int] = field(factory=lambda: itertools.count(1))
    _lock: threading.Lock = field(factory=threading.Lock)

    def number(self) -> int:
        """The next number of the run, for unique names and texts."""
        with self._lock:
            return next(self._numbers)

    def knows(self, value: Mapping[str, Any]) -> bool:
        """Whether a message frame is about some case of this run."""
        sender, text = str(value.get("sender")), str(value.get("message"))
        return sender in self.names or self.token in sender or self.token in text

    def count_stranger(self) -> None:
        """Count a frame that isn't about us."""
        with self._lock:
            self.strangers += 1


@frozen
class Fence:
    """Something that `observer` gets after anything that was caused before `cause()`.

    Without a match it is the end of the observer's stream.
    """

    observer: Client
    cause: Callable[[], object]
    match: Match | None

    def arrived(self) -> bool:
        """Whether it is there, unread."""
        if self.match is None:
            return self.observer.ended is not None
        return self.observer.has(self.match)


class Room:
    """One case's view of the server's room."""

    def __init__(self, session: Session, requirement: str, case_id: str = "") -> None:
        self.session = session
        self.case_id = case_id
        #: In every name and text of this case, and in nobody else's.
        self.token = f"{session.token}{session.number()}"
        self.clients: list[Client] = []
        self.findings: list[Finding] = []
        self.texts: set[str] = set()  #: all that were made by `text`
        self.proved: set[str] = set()
        self.requirement = requirement
        #: Set by cases about a full room. In all others a server that is full proves nothing.
        self.may_be_full = False
        self._names: set[str] = set()
        self._bystanders: tuple[Client, Client] | None = None
        self.network = Network(
            session.address,
            self._on_item,
            self._on_end,
            connect_within=session.patience.connect,
            send_within=session.patience.answer,
            stopping=session.stop.is_set,
            whole_transcript=session.whole_transcripts,
        )

    # ---- making things unique

    def name(self, base: str = "user") -> str:
        """A username that nobody else has: `base`, the run's token and a number."""
        return self.own(f"{base}-{self.token}-{self.session.number()}")

    def own(self, username: str) -> str:
        """Remember that frames about this name are ours and no strangers'."""
        self._names.add(username)
        self.session.names.add(username)
        return username

    def text(self, begin: str = "text") -> str:
        """A text that nobody else writes."""
        text = f"{begin} {self.token}-{self.session.number()}"
        self.texts.add(text)
        return text

    # ---- people

    def connect(
        self, label: str = "raw", *, narrow: bool = False, tls: bool = True, source: str = ""
    ) -> Client:
        """A connection that hasn't joined.

        `narrow` if little is to fit between its ends; `tls=False` for none even when testing it;
        `source` is the address to come from.
        """
        try:
            client = Client(self, label, narrow=narrow, tls=tls, source=source)
        except ServerGoneError as error:
            raise InconclusiveError(str(error)) from error
        self.clients.append(client)
        return client

    def join(
        self, label: str, username: str | None = None, *, narrow: bool = False, **members: object
    ) -> Client:
        """Somebody who has joined, under a unique name if none is given.

        Raises:
            InconclusiveError: it was not accepted. Cases about joins use `ask_to_join`.
        """
        username = self.name(label) if username is None else self.own(username)
        for _ in range(_TRIES_WHEN_FULL):
            client = self.connect(label, narrow=narrow)
            client.ask_to_join(username, **members)
            answer = client.wait_for(matches.response())
            if answer is None:
                raise InconclusiveError(f"{label} asked to join and got no answer")
            if answer["isConnected"] is True:
                client.joined = True
                return client
            if answer.get("errorCode") != _SERVER_FULL:
                break
            # Full is full: somebody has to leave, which no frame tells to who is outside.
            client.close()
            self.network.wait(lambda: False, self.session.patience.leave / 5)
        else:
            raise InconclusiveError(self._full(label))
        raise InconclusiveError(f"{label} was refused: {short(answer)}")

    def join_if_may(self, label: str, base: str) -> Client:
        """Somebody under an unusual name, or a usual one where the server wants none of those."""
        try:
            return self.join(label, self.name(base))
        except InconclusiveError:
            return self.join(label)

    def bystanders(self) -> tuple[Client, Client]:
        """Two people who have nothing to do with it."""
        if self._bystanders is None:
            self._bystanders = (self.join("bystander"), self.join("witness"))
        return self._bystanders

    def residents(self) -> tuple[Client, Client]:
        """Two people who were in the room before this case and stay for the next.

        Only for cases that run one at a time and that do these two no harm.
        """
        known = self.session.residents.get(threading.get_ident())
        if not known:
            known = [self.join("other"), self.join("resident")]
            known[0].must_get(matches.joined(known[1].username))
            self.session.residents[threading.get_ident()] = known
            for newcomer in known:
                self.clients.remove(newcomer)
        one, other = known
        for resident in (one, other):
            if resident.room is not self:
                resident.move_to(self)
        self._bystanders = (other, one)
        return one, other

    def settle(self) -> None:
        """Wait until the server has surely looked at what was sent: a fence, for pacing.

        Two bystanders speak to one another, twice, behind what was sent.
        """
        one, other = self.bystanders()
        for sender, receiver in ((one, other), (other, one)):
            text = self.text("sentinel")
            sender.tell(receiver, text)
            if not receiver.wait_for(matches.message(text)):
                raise InconclusiveError("two bystanders could not talk")

    def bystander_unharmed(self, req: str | None = None) -> None:
        """Claim that the two bystanders are connected and can still talk to one another."""
        one, other = self.bystanders()
        for sender, receiver in ((one, other), (other, one)):
            text = self.text("still here")
            sender.say(text)
            receiver.expect(matches.message(text, sender=sender.username), req=req)

    # ---- claims

    def fail(
        self, permitted: str, actual: str, *, req: str | None = None, check: Check | None = None
    ) -> None:
        """Blame a requirement and go on.

        Raises:
            InconclusiveError: the server is full, and may refuse anybody at any time (LIMIT-13).
        """
        if not self.may_be_full:
            self._stop_if_full()
        requirement = req or self.requirement
        self.findings.append(Finding(requirement, Status.VIOLATED, permitted, actual, check))
        self.transcript.add("", What.NOTE, f"{requirement} is broken here".encode())

    def claim(self, holds: bool, permitted: str, actual: object, *, req: str | None = None) -> bool:
        """Blame a requirement unless this holds, and go on in both cases."""
        if holds:
            self.proved.add(req or self.requirement)
        else:
            self.fail(permitted, actual if isinstance(actual, str) else short(actual, 240), req=req)
        return holds

    def stop_unless(self, holds: bool, reason: str) -> None:
        """End the case, undecided, unless this holds."""
        if not holds:
            raise InconclusiveError(reason)

    def not_applicable(self, reason: str) -> NoReturn:
        """End the case: the server doesn't have what it is about."""
        raise NotApplicableError(reason)

    # ---- machinery

    def _stop_if_full(self) -> None:
        """End the case if somebody in it was refused for being one too many.

        Who is alone is never one too many.
        """
        refused = [client for client in self.clients if client.has_been(_SERVER_FULL)]
        if refused and (self.session.gets_full or self._is_full()):
            raise InconclusiveError(self._full(refused[0].label))

    def _is_full(self) -> bool:
        """Whether somebody is refused when as many come as there were in this case, and more.

        The server may not have noticed yet who went away when it refused somebody.
        """
        if len(self.clients) == 1 and not self.session.residents:
            return False
        probes = [self.connect(f"probe{number}") for number in range(len(self.clients) + _MORE)]
        for probe in probes:
            probe.ask_to_join(self.name("probe"))
        self.wait(lambda: all(probe.unread or probe.ended for probe in probes))
        for probe in probes:
            probe.part()
        return any(probe.has_been(_SERVER_FULL) for probe in probes)

    def _full(self, label: str) -> str:
        self.session.gets_full = True
        others = sum(not client.ended and not client.closed for client in self.clients)
        return (
            f"{label} was refused with code 2, beside {others} other connections of this case; "
            "if the server limits the connections from one address, allow it more for this test"
        )

    def wait(self, done: Callable[[], bool], within: float | None = None) -> bool:
        """Read all connections until `done()`; by default as long as an answer may take."""
        patience = self.session.patience
        left = patience.case - self.network.transcript.seconds
        wanted = patience.answer if within is None else within
        return self.network.wait(done, max(0.0, min(wanted, left)))

    @property
    def transcript(self) -> Transcript:
        """What happened so far."""
        return self.network.transcript

    def close(self) -> None:
        """Leave: everybody says so, and all connections are closed."""
        self.transcript.add("", What.NOTE, LEAVING)
        # Twice: a server that takes what it reads at once for one frame may lose the first.
        if not (self._leave_together() or self._leave_together()):
            self.session.answers_leaves = False
        for client in self.clients:
            client.close()
        residents = self.session.residents.get(threading.get_ident(), [])
        if any(resident.ended for resident in residents):
            for resident in self.session.residents.pop(threading.get_ident()):
                resident.close()
        self.network.close()

    def _leave_together(self) -> bool:
        leaving = [client for client in self.clients if client.begin_leave()]
        patience = self.session.patience.leave / 2 if self.session.answers_leaves else 0.03
        return self.network.wait(
            lambda: all(client.ended for client in leaving), patience, to_the_end=True
        )

    def _on_item(self, connection: Connection, item: Frame | Junk) -> None:
        assert isinstance(connection, Client)
        ours = isinstance(item, Junk) or self._is_ours(item)
        shown = item.raw if ours else b"(a stranger's frame)"
        if isinstance(item, Frame):
            connection.frames_seen += 1
            if item.value:
                connection.note_grants(item.value)
                if "roster" in item.value:
                    shown = self._without_strangers(item.value)
        if ours:
            connection.record(shown)
        if self.session.watcher:
            self.session.watcher.item(self, connection, item)
        if not ours:
            if isinstance(item, Frame) and item.value and not self.session.knows(item.value):
                self.session.count_stranger()
        elif isinstance(item, Frame):
            connection.unread.append(item)
            connection.log.append(item)
            if not connection.spoken and (item.value or {}).get("errorCode") == _SERVER_FULL:
                self.session.gets_full = True  # refused for where it comes from (LIMIT-13)

    def _on_end(self, connection: Connection) -> None:
        assert isinstance(connection, Client)
        if self.session.watcher:
            self.session.watcher.end(self, connection)

    def is_ours(self, value: Mapping[str, Any]) -> bool:
        """Whether a frame is about this case and not about other people in the room."""
        if matches.kind_of(value) != "message":
            return True
        sender, dm, text = value.get("sender"), value.get("dm"), value.get("message")
        if not isinstance(sender, str) or not isinstance(text, str):
            return True
        if sender == "" or sender in self._names or (isinstance(dm, str) and dm in self._names):
            return True
        return self.token in text or self.token in sender

    def _is_ours(self, frame: Frame) -> bool:
        return frame.value is None or self.is_ours(frame.value)

    def _without_strangers(self, value: Mapping[str, Any]) -> bytes:
        names = value["roster"]
        if isinstance(names, list):
            names = [n if n in self._names else "(a stranger)" for n in map(_text, names)]
        return json.dumps({**value, "roster": names}).encode()


#: The remark in a transcript where a case is over and everybody leaves.
LEAVING = b"everybody leaves"
_TRIES_WHEN_FULL = 5
_SERVER_FULL = 2
#: Connections that the case before may have left behind.
_MORE = 8


def _text(value: object) -> str:
    return value if isinstance(value, str) else repr(value)


class Client(Connection):
    """A person at a connection, or a connection that hasn't joined."""

    def __init__(
        self, room: Room, label: str, *, narrow: bool = False, tls: bool = True, source: str = ""
    ) -> None:
        self.room = room
        self.username = ""
        self.joined = False
        self.frames_seen = 0
        self.log: list[Frame] = []
        self.granted: set[str] = set()
        #: Set once a frame was left unfinished, so that a disconnect frame would be lost in it.
        self.spoilt = False
        super().__init__(room.network, label, narrow=narrow, tls=tls, source=source)

    def move_to(self, room: Room) -> None:
        """Go on in the next case: what came until now belongs to the last one."""
        self.room = room
        self.frames_seen = max(self.frames_seen, 1)
        room.own(self.username)
        self.unread.clear()
        self.log.clear()
        self.join_network(room.network)
        # The transcript of each case has to tell how its people got there.
        join = json.dumps({"username": self.username}).encode() + b"\n"
        room.transcript.add(self.label, What.SENT, join)
        room.transcript.add(self.label, What.RECEIVED, b'{"isConnected": true, "errorCode": -1}')

    def record(self, raw: bytes) -> None:
        """Note a frame in the transcript."""
        self.room.transcript.add(self.label, What.RECEIVED, raw)

    def note_grants(self, value: Mapping[str, Any]) -> None:
        """Remember the extensions that a join response grants."""
        names = value.get("extensions")
        if value.get("isConnected") is True and isinstance(names, list):
            self.granted.update(name for name in names if isinstance(name, str))

    # ---- sending

    def frame(self, value: Mapping[str, object], end: bytes = b"\n") -> None:
        """Send one frame, as original clients write it, and a line feed."""
        self.send(json.dumps(value).encode() + end)

    def ask_to_join(self, username: object, **members: object) -> None:
        """Send a join."""
        if isinstance(username, str):
            self.username = self.room.own(username)
        self.frame({"username": username, **members})

    def say(self, text: object, **members: object) -> None:
        """Send a message to everyone; `members` replace or add to the usual ones."""
        self.frame({"message": text, "sender": self.username, "dm": None, **members})

    def tell(self, whom: Client | str, text: object, **members: object) -> None:
        """Send a private message."""
        name = whom if isinstance(whom, str) else whom.username
        self.say(text, **{"dm": name, **members})

    def leave(self) -> None:
        """Send a disconnect frame."""
        self.frame({"disconnect": True, "sender": self.username})

    def reset(self) -> None:
        """Close with RST."""
        self.close(reset=True)

    # ---- waiting and claiming

    def take(self, match: Match) -> dict[str, Any] | None:
        """The first unread frame that fits, taken out; None if there is none."""
        for at, frame in enumerate(self.unread):
            if match.fits(frame):
                del self.unread[at]
                return frame.value
        return None

    def has(self, match: Match) -> bool:
        """Whether an unread frame fits."""
        return any(match.fits(frame) for frame in self.unread)

    def wait_for(self, match: Match, within: float | None = None) -> dict[str, Any] | None:
        """Wait for a frame, as a step: None when it doesn't come."""
        self.room.wait(lambda: self.has(match) or self.ended is not None, within)
        return self.take(match)

    def must_get(self, match: Match, within: float | None = None) -> dict[str, Any]:
        """Wait for a frame, as a step on the way to a claim.

        Raises:
            InconclusiveError: it doesn't come.
        """
        found = self.wait_for(match, within)
        if found is None:
            raise InconclusiveError(f"{self.label} didn't get {match}{self.how_it_ended()}")
        return found

    def first_frame(self) -> Frame:
        """Wait for any frame, as a step, and take the first.

        Raises:
            InconclusiveError: none comes.
        """
        self.room.wait(lambda: bool(self.unread) or self.ended is not None)
        if not self.unread:
            raise InconclusiveError(f"{self.label} got no frame{self.how_it_ended()}")
        return self.unread.pop(0)

    def has_been(self, code: int) -> bool:
        """Whether the server has refused this client with this code."""
        return self.place_of(matches.response(isConnected=False, errorCode=code)) is not None

    def forget(self) -> None:
        """Drop what is unread: what comes from here on is what counts."""
        self.unread.clear()

    def place_of(self, match: Match) -> int | None:
        """The place of the first frame that fits among all that came, read or not."""
        return next((at for at, frame in enumerate(self.log) if match.fits(frame)), None)

    def reach(self, fence: Fence, within: float | None = None) -> None:
        """Wait for a fence, as a step.

        Raises:
            InconclusiveError: it doesn't come.
        """
        fence.cause()
        self.room.wait(lambda: fence.arrived() or self.ended is not None, within)
        if not fence.arrived():
            raise InconclusiveError(f"the fence at {self.label} didn't come{self.how_it_ended()}")
        if fence.match is not None:
            self.take(fence.match)

    def expect(
        self,
        match: Match,
        *,
        req: str | None = None,
        permitted: str = "",
        within: float | None = None,
    ) -> dict[str, Any]:
        """Claim that this client gets such a frame, and give its members.

        Raises:
            FailureError: it doesn't come.
        """
        found = self.wait_for(match, within)
        if found is None:
            self.room.fail(
                permitted or f"{self.label} gets {match}",
                f"it didn't come{self.how_it_ended()}{self._what_came()}",
                req=req,
                check=Check("missing", self.label, match.exact),
            )
            raise FailureError
        self.room.proved.add(req or self.room.requirement)
        return found

    def expect_end(self, *, req: str | None = None, permitted: str = "") -> None:
        """Claim that the server ends this connection, with FIN or RST."""
        if not self.wait_end():
            self.room.fail(
                permitted or f"the server closes the connection of {self.label}",
                "it stays open",
                req=req,
                check=Check("open", self.label),
            )
            raise FailureError
        self.room.proved.add(req or self.room.requirement)

    @property
    def bulk(self) -> float:
        """How long the last of very many frames may take, in seconds."""
        return self.room.session.patience.bulk

    def wait_end(self, within: float | None = None) -> bool:
        """Wait until the server ends this connection, as a step."""
        return self.room.wait(lambda: self.ended is not None, within)

    def never(
        self, match: Match, *, until: Fence, req: str | None = None, permitted: str = ""
    ) -> None:
        """Claim that no such frame comes before the fence does.

        Raises:
            InconclusiveError: the fence didn't come, so nothing is proved.
            FailureError: such a frame came.
        """
        assert until.observer is self, "a fence at somebody else's connection proves nothing"
        until.cause()
        self.room.wait(lambda: self.has(match) or until.arrived() or self.ended is not None)
        unwanted = self._before(match, until.match)
        if unwanted is not None:
            self.room.fail(
                permitted or f"{self.label} never gets {match}",
                f"{self.label} got {short(unwanted, 300)}",
                req=req,
                check=Check("unwanted", self.label, match.exact),
            )
            raise FailureError
        if not until.arrived():
            raise InconclusiveError(
                f"the fence at {self.label} didn't come{self.how_it_ended()}, "
                f"so the absence of {match} isn't proved"
            )
        if until.match is not None:
            self.take(until.match)
        self.room.proved.add(req or self.room.requirement)

    def _before(self, match: Match, fence: Match | None) -> Mapping[str, Any] | None:
        """The first unread frame that fits and isn't behind the fence."""
        for frame in self.unread:
            if fence is not None and fence.fits(frame):
                return None
            if match.fits(frame):
                return frame.value
        return None

    def sentinel_to(self, observer: Client) -> Fence:
        """A private message to the observer: what this client caused before it comes before it."""
        text = self.room.text("sentinel")
        return Fence(observer, lambda: self.tell(observer, text), matches.message(text))

    def the_end(self) -> Fence:
        """The end of this connection's stream: the server's last frame comes before it."""
        return Fence(self, lambda: None, None)

    def refusal(self) -> Fence:
        """The answer to a frame that is no join: what an unjoined client got comes before it.

        The frame is a disconnect, as there are servers that take any other one for a join.
        """
        answers = Match("an answer", {}, lambda v: matches.kind_of(v) in ("response", "disconnect"))
        return Fence(self, self.leave, answers)

    # ---- machinery

    def begin_leave(self) -> bool:
        """Ask the server to let go of this connection; whether there's an answer to wait for."""
        if self.closed or self.ended or self.half_closed:
            return False
        if not self.reading:
            self.resume()
        if self.spoilt:
            return False
        # Who hasn't joined says so too: there are servers that die when a connection just ends.
        self.leave()
        return True

    def part(self) -> None:
        """Leave and wait for the end, whether joined or not, as a step."""
        if self.begin_leave():
            self.wait_end()
        self.close()

    def how_it_ended(self) -> str:
        """The end of a sentence: how the server ended this connection, if it did."""
        return f", and the connection ended ({self.ended.value})" if self.ended else ""

    def _what_came(self) -> str:
        if not self.unread:
            return ""
        return f"; came instead: {short(self.unread[0].value, 160)}"
