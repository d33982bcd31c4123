"""A user's session: one after another, connections that carry it, and what became of them.

Everything happens in the thread that calls :meth:`Session.poll`. The protocol's rules are
:class:`~chatroom_protocol.ClientConnection`'s; what is decided here is what a person would do:
when to try again, how long to wait for an answer, what to call it.
"""

from __future__ import annotations

import random
import ssl
from collections import deque
from collections.abc import Callable
from enum import Enum

from attrs import frozen

from chatroom_protocol import (
    ClientConnection,
    ClientState,
    Disconnect,
    ErrorCode,
    JoinResponse,
    LocalProtocolError,
    ProtocolViolation,
    Roster,
    ServerMessage,
    username_fault,
)
from chatroom_protocol.connection import ClientEvent
from chatroom_reference.client.address import Address
from chatroom_reference.client.backoff import BackOff
from chatroom_reference.client.network import Connected, Ended, Link, Received, Report
from chatroom_reference.client.people import People
from chatroom_reference.client.text_safety import harmless, harmless_name

EXTENSIONS = ("roster", "ping")
# Bounds in seconds.
ANSWER_TIMEOUT = 15.0  # a server's answer to a join
LEAVE_TIMEOUT = 0.7  # a server's answer to a disconnect: leaving takes less than a second in all
LASTING = 10.0  # after which a connection counts as good, and waits are short again
SILENCE = 30.0  # after which a server that grants ping is asked whether it is still there
PATIENCE = 15.0  # for its answer
_OWN_TEXTS = 4096


class Phase(Enum):
    """Where a session stands."""

    CONNECTING = "connecting"
    JOINING = "joining"
    CHATTING = "chatting"
    WAITING = "waiting"
    REFUSED = "refused"
    LEAVING = "leaving"
    ENDED = "ended"


class Tone(Enum):
    """How a status is meant."""

    GOOD = "good"
    BUSY = "busy"
    BAD = "bad"


@frozen
class Status:
    """A session's state in words."""

    text: str
    tone: Tone


class CannotSend(Exception):  # noqa: N818 - a sentence for the user, not a fault
    """A text was not sent; the sentence says why, and nothing has changed."""


class Session:
    """Joins, talks, reconnects and leaves.

    Args:
        address: the server's.
        username: the name to ask for.
        tls: how to connect, if not in the clear.
        keep_trying: whether a connection that is lost is tried again; if not, the session ends.
        ask_again: whether there is somebody to choose another name after a refusal; if not, the
            session ends.
        wake: called from another thread when there is something to poll.
    """

    def __init__(
        self,
        address: Address,
        username: str,
        *,
        tls: ssl.SSLContext | None = None,
        keep_trying: bool = True,
        ask_again: bool = True,
        wake: Callable[[], None] = lambda: None,
    ) -> None:
        self.address = address
        self.username = username
        self.people = People()
        self.phase = Phase.CONNECTING
        self.failure: str | None = None
        """Why the session ended, if not as the user wished: one sentence."""
        self.reason = ""
        """Why the name was refused, or the connection lost: one sentence."""
        self.closing_words: str | None = None
        """What the server said before it ended the session, if it did."""
        self.retry_at = 0.0
        self._tls = tls
        self._keep_trying = keep_trying
        self._ask_again = ask_again
        self._wake = wake
        self._connection = ClientConnection(extensions=EXTENSIONS)
        self._link: Link | None = None
        self._old_link: Link | None = None
        self._back_off = BackOff(random.random)
        self._has_joined = False
        self._since = 0.0
        self._heard_at = 0.0
        self._asked_at: float | None = None
        self._own: deque[tuple[str, str | None]] = deque(maxlen=_OWN_TEXTS)
        self._last_notice: str | None = None

    def start(self, now: float) -> None:
        """Connect, or find fault with the name at once. ``now`` is monotonic seconds."""
        fault = username_fault(self.username)
        if fault:
            self._refuse(f'The name "{harmless_name(self.username)}" cannot be used: {fault}.')
            return
        self._connection = ClientConnection(extensions=EXTENSIONS)
        self._link = Link(self.address, self._tls, self._wake)
        self._enter(Phase.CONNECTING, now)

    def rename(self, username: str, now: float) -> None:
        """Try again under another name, after a refusal."""
        self.username = username
        self.start(now)

    def reconnect(self, now: float) -> None:
        """Try again now instead of later."""
        if self.phase is Phase.WAITING:
            self.start(now)

    def say(self, text: str, dm: str | None) -> None:
        """Say something to everyone, or to ``dm`` alone.

        Raises:
            CannotSend: it was not sent, and why.
        """
        if self.phase is not Phase.CHATTING:
            raise CannotSend("Not sent: there is no connection at the moment.")
        try:
            self._connection.say(text, dm)
        except LocalProtocolError as error:
            raise CannotSend(f"Not sent: {str(error).rstrip('.')}.") from None
        self._own.append((text, dm))
        self._flush()

    @property
    def has_more(self) -> bool:
        """Whether there is more to poll at once."""
        return self._link is not None and self._link.has_reports

    @property
    def may_be_original(self) -> bool:
        """Whether the server may be one that takes what it reads at once for one frame."""
        return not self._connection.granted

    @property
    def congested(self) -> bool:
        """Whether a program that has much to say should wait a little."""
        return self._link is not None and self._link.congested

    def leave(self, now: float) -> None:
        """Leave in good order; the session ends within :data:`LEAVE_TIMEOUT` seconds."""
        if self.phase in (Phase.LEAVING, Phase.ENDED):
            return
        if self.phase is Phase.REFUSED and not self._has_joined:
            self.failure = self.reason
        if self._link is None or self.phase is Phase.CONNECTING:
            self._end()
            return
        if self._connection.state is ClientState.JOINED:
            self._connection.leave()
            self._flush()
        else:
            self._link.finish()
        self._enter(Phase.LEAVING, now)

    def poll(self, now: float, most: int = 1000) -> list[ServerMessage]:
        """Take what has happened since; give what there is to read.

        Args:
            now: monotonic seconds.
            most: reports of the network to take, each of at most 64 KiB, for who has little time.
        """
        heard: list[ServerMessage] = []
        for report in self._link.reports(most) if self._link else ():
            heard += self._take(report, now)
        self._watch_the_clock(now)
        return heard

    def settle(self, seconds: float) -> None:
        """Wait until the last words of a session that has ended are written, if it takes long."""
        if self._old_link:
            self._old_link.join(seconds)

    def status(self, now: float) -> Status:
        """Say in words how it stands."""
        where = f"{self.address}{' over TLS' if self._tls else ''}"
        name = harmless_name(self.username)
        if self.phase is Phase.WAITING:
            seconds = max(1, round(self.retry_at - now + 0.5))
            unit = "second" if seconds == 1 else "seconds"
            return Status(f"Not connected. Trying again in {seconds} {unit}.", Tone.BAD)
        words = {
            Phase.CONNECTING: Status(f"Connecting to {where} …", Tone.BUSY),
            Phase.JOINING: Status(f"Joining as {name} …", Tone.BUSY),
            Phase.CHATTING: Status(f"Connected to {where} as {name}", Tone.GOOD),
            Phase.REFUSED: Status(f"Not joined at {where}", Tone.BAD),
            Phase.LEAVING: Status("Leaving …", Tone.BUSY),
            Phase.ENDED: Status("Disconnected", Tone.BAD),
        }
        return words[self.phase]

    def _enter(self, phase: Phase, now: float) -> None:
        self.phase = phase
        self._since = now

    def _take(self, report: Report, now: float) -> list[ServerMessage]:
        self._heard_at, self._asked_at = now, None
        if isinstance(report, Connected):
            if self.phase is Phase.CONNECTING:
                self._connection.join(self.username)
                self._flush()
                self._enter(Phase.JOINING, now)
            return []
        if isinstance(report, Received):
            events = self._connection.receive_data(report.data)
        else:
            events = self._connection.receive_eof()
        heard = [message for event in events if (message := self._handle(event, now))]
        if self._connection.roster is not None and events:
            self.people.roster(self._connection.roster)
        self._flush()
        if isinstance(report, Ended):
            self._ended(report.why, now)
        return heard

    def _handle(self, event: ClientEvent, now: float) -> ServerMessage | None:
        if isinstance(event, ServerMessage):
            return self._hear(event)
        if isinstance(event, JoinResponse):
            self._answered(event, now)
        elif isinstance(event, Roster):
            self.people.roster(event.usernames)
        elif isinstance(event, Disconnect):
            self._disconnected()
        elif isinstance(event, ProtocolViolation):
            self._lost(f"{self.address} does not speak this protocol: {event.detail}", now)
        return None

    def _hear(self, message: ServerMessage) -> ServerMessage | None:
        if message.is_notice:
            self._last_notice = message.message
        if message.sender == self.username and self._is_no_news(message):
            return None
        if self._connection.roster is None:
            self.people.heard(message)
        return message

    def _is_no_news(self, message: ServerMessage) -> bool:
        """Whether it is known already, being about this user or shown when it was sent.

        A text to oneself comes back, and some servers echo all. What was not said here is shown:
        an original server lets anybody speak in any name.
        """
        text = (message.message, message.dm)
        if text in self._own:
            self._own.remove(text)
            return True
        return message.announces_join or message.announces_leave

    def _answered(self, response: JoinResponse, now: float) -> None:
        if response.is_connected:
            self._has_joined = True
            self._own.clear()
            self.people.joined(self.username)
            self._enter(Phase.CHATTING, now)
            return
        why = _refusal(response.error_code, self.username, self.address)
        if response.error_code in (ErrorCode.USERNAME_TAKEN, ErrorCode.BAD_USERNAME):
            self._refuse(why)
        else:
            self._lost(why, now)

    def _refuse(self, why: str) -> None:
        self.reason = why
        self._drop_link()
        self.phase = Phase.REFUSED
        if not self._ask_again:
            self.failure = why
            self._end()

    def _disconnected(self) -> None:
        if self.phase is not Phase.LEAVING:
            self.closing_words = "The server ended the session."
            if self._last_notice:
                notice = harmless(self._last_notice.strip()).replace("\n", " ")
                self.closing_words += f" Its last notice: {notice}"
        self._end()

    def _ended(self, why: str | None, now: float) -> None:
        if self.phase is Phase.LEAVING:
            self._end()
        elif self.phase is Phase.CONNECTING:
            self._lost(why or f"{self.address} closed the connection.", now)
        elif self.phase is Phase.JOINING:
            why = (why or f"{self.address} closed the connection unanswered.").rstrip(".")
            hint = "" if self._tls else "; perhaps it expects --tls"
            self._lost(f"{why}{hint}.", now)
        elif self.phase is Phase.CHATTING:
            self._lost(why or f"The connection to {self.address} was lost.", now)

    def _lost(self, why: str, now: float) -> None:
        if self.phase is Phase.LEAVING:
            self._end()
            return
        if self.phase is Phase.CHATTING and now - self._since > LASTING:
            self._back_off.reset()
        self._drop_link()
        if not (self._has_joined and self._keep_trying):
            self.failure = why
            self._end()
            return
        self.reason = why
        self.retry_at = now + self._back_off.next_wait()
        self._enter(Phase.WAITING, now)

    def _watch_the_clock(self, now: float) -> None:
        if self.phase is Phase.WAITING and now >= self.retry_at:
            self.start(now)
        elif self.phase is Phase.JOINING and now > self._since + ANSWER_TIMEOUT:
            self._lost(f"{self.address} accepts connections, but does not answer.", now)
        elif self.phase is Phase.LEAVING and now > self._since + LEAVE_TIMEOUT:
            self._end()
        elif self.phase is Phase.CHATTING and "ping" in self._connection.granted:
            self._watch_the_server(now)

    def _watch_the_server(self, now: float) -> None:
        if self._asked_at is None and now > self._heard_at + SILENCE:
            self._connection.ping("still there?")
            self._flush()
            self._asked_at = now
        elif self._asked_at is not None and now > self._asked_at + PATIENCE:
            self._lost(f"{self.address} has not been heard of for a while.", now)

    def _flush(self) -> None:
        data = self._connection.data_to_send()
        if data and self._link:
            self._link.send(data)

    def _end(self) -> None:
        self._drop_link()
        self.phase = Phase.ENDED

    def _drop_link(self) -> None:
        """Let go of the link in good order: what was queued for it is still sent."""
        if self._link:
            self._flush()
            self._link.close()
            self._old_link, self._link = self._link, None


def _refusal(code: int | None, username: str, address: Address) -> str:
    name = harmless_name(username)
    if code == ErrorCode.USERNAME_TAKEN:
        return f'The name "{name}" is taken at {address}; choose another.'
    if code == ErrorCode.BAD_USERNAME:
        return f'{address} does not allow the name "{name}"; choose another.'
    if code == ErrorCode.SERVER_FULL:
        return f"{address} is full; try again later."
    if code == ErrorCode.JOIN_TIMEOUT:
        return f"{address} waited too long for the join; try again."
    return f"{address} refused the join, with error code {code}."
