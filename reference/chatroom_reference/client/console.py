"""The client in a terminal or a pipe."""

from __future__ import annotations

import ssl
import sys
import threading
import time
from collections.abc import Sequence
from datetime import datetime

from chatroom_protocol import ServerMessage
from chatroom_reference.client.address import Address
from chatroom_reference.client.colours import hue_of
from chatroom_reference.client.commands import Choose, CommandError, Quit, Say, parse
from chatroom_reference.client.lines import Kind, Line, Presenter
from chatroom_reference.client.session import CannotSend, Phase, Session
from chatroom_reference.client.signals import on_stop
from chatroom_reference.client.terminal import Terminal, settings_kept

# Terminals choose their own shades; these six are readable on both light and dark grounds.
_COLOURS = (31, 32, 33, 34, 35, 36)
_BOLD, _DIM, _INVERSE, _PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[7m", "\x1b[0m"
_INDENT = "      "
# The longest wait between two looks at the clock, for time-outs and countdowns.
_TICK, _SHORT_TICK = 0.25, 0.02
# Seconds between a program's messages to a server that may lose them if they come together.
_PACE = 0.05


class Console:
    """Shows a session line by line, and says what is typed."""

    def __init__(
        self, address: Address, username: str, tls: ssl.SSLContext | None, *, emoji: bool
    ) -> None:
        self._woken = threading.Event()
        self._terminal = Terminal(self._woken.set)
        self._presenter = Presenter(emoji=emoji)
        self._recipient: str | None = None
        self._waiting: list[str] = []
        self._phase: Phase | None = None
        self._stopped = False
        self._has_joined = False
        self._silent_until = 0.0
        self.session = Session(
            address,
            username,
            tls=tls,
            keep_trying=self._terminal.interactive,
            ask_again=False,
            wake=self._woken.set,
        )

    def run(self) -> None:
        """Chat until the session ends."""
        on_stop(self._stop)
        self.session.start(time.monotonic())
        while self.session.phase is not Phase.ENDED:
            self._woken.wait(_SHORT_TICK if self._is_saying() else _TICK)
            self._woken.clear()
            self._look(time.monotonic())

    def _stop(self) -> None:
        self._stopped = True
        self._woken.set()

    def _look(self, now: float) -> None:
        messages = self.session.poll(now)
        self._tell_phase(now)
        for message in messages:
            self._show_message(message)
        self._waiting = self._waiting or self._terminal.lines()
        self._obey_lines(now)
        if self._has_joined:
            self._terminal.ask(self._prompt())
        if self._stopped or self._terminal.closed or self._all_said():
            self.session.leave(now)

    def _is_saying(self) -> bool:
        return bool(self._waiting) or self.session.congested or self._is_silent()

    def _is_silent(self) -> bool:
        return time.monotonic() < self._silent_until

    def _all_said(self) -> bool:
        return self._terminal.at_end and self._has_joined and not self._is_saying()

    def _obey_lines(self, now: float) -> None:
        while self._waiting and self._can_obey():
            try:
                self._obey(self._waiting.pop(0), now)
            except (CannotSend, CommandError) as why:
                self._explain(str(why))

    def _can_obey(self) -> bool:
        """A person is told at once what cannot be said; a pipe waits until it can."""
        if self._terminal.interactive:
            return True
        ready = self.session.phase is Phase.CHATTING and not self.session.congested
        return ready and not self._is_silent()

    def _obey(self, line: str, now: float) -> None:
        if not line:
            return
        command = parse(line, self.session.people.others)
        if isinstance(command, Quit):
            self._waiting.clear()
            self.session.leave(now)
        elif isinstance(command, Choose):
            self._recipient = command.recipient
        else:
            self._say(command)

    def _say(self, command: Say) -> None:
        dm = command.only_to or self._recipient
        self.session.say(command.text, dm)
        # On a terminal it stands there already, where it was typed.
        if not self._terminal.interactive:
            if self.session.may_be_original:
                self._silent_until = time.monotonic() + _PACE
            me = self.session.username
            self._show(self._presenter.said(command.text, dm, me, datetime.now()))

    def _prompt(self) -> str:
        me = self._presenter.name(self.session.username)
        if self._recipient is None:
            return f"{me}> "
        return f"{me} to {self._presenter.name(self._recipient)} only> "

    def _tell_phase(self, now: float) -> None:
        phase = self.session.phase
        if phase is self._phase:
            return
        self._phase = phase
        if phase is Phase.CHATTING:
            self._has_joined = True
            self._show(self._presenter.local(self.session.status(now).text + ".", datetime.now()))
            if self.session.people.others:
                who = ", ".join(map(self._presenter.name, self.session.people.others))
                self._show(self._presenter.local(f"Here already: {who}.", datetime.now()))
        elif phase is Phase.WAITING:
            words = f"{self.session.reason} {self.session.status(now).text}"
            self._show(self._presenter.local(words, datetime.now()))

    def _explain(self, why: str) -> None:
        if self._terminal.interactive:
            self._show(self._presenter.local(why, datetime.now()))
        else:
            print(f"chatroom-ref-client: {why}", file=sys.stderr, flush=True)

    def _show_message(self, message: ServerMessage) -> None:
        line = self._presenter.received(message, self.session.username, datetime.now())
        bell = "\a" if line.kind is Kind.PRIVATE and self._terminal.interactive else ""
        self._show(line, bell)

    def _show(self, line: Line, bell: str = "") -> None:
        self._terminal.show(bell + line_of(line, coloured=self._terminal.coloured))


def line_of(line: Line, *, coloured: bool) -> str:
    """Write a line for a terminal; later lines of a text are indented, so they forge nothing."""
    body = line.text.replace("\n", f"\n{_INDENT}")
    if line.kind in (Kind.PRESENCE, Kind.LOCAL):
        return _styled(f"{line.clock} * {body}", [_DIM], coloured=coloured)
    if line.kind is Kind.NOTICE:
        return f"{line.clock} {_styled('server:', [_BOLD], coloured=coloured)} {body}"
    name = _styled(line.name, [_BOLD, _colour(line.sender)], coloured=coloured)
    if line.kind is Kind.TALK:
        return f"{line.clock} {name}: {body}"
    mark = _styled("[private]", [_INVERSE], coloured=coloured)
    return f"{line.clock} {mark} {name} to {line.to}: {body}"


def _colour(sender: str) -> str:
    return f"\x1b[{_COLOURS[hue_of(sender) % len(_COLOURS)]}m"


def _styled(text: str, styles: Sequence[str], *, coloured: bool) -> str:
    return f"{''.join(styles)}{text}{_PLAIN}" if coloured else text


def run_console(
    address: Address, username: str, tls: ssl.SSLContext | None, *, emoji: bool
) -> Session:
    """Chat in the terminal until the session ends; give the session."""
    with settings_kept():
        console = Console(address, username, tls, emoji=emoji)
        console.run()
    return console.session
