"""The chat window: puts the parts together, and gives a session its turns."""

from __future__ import annotations

import ssl
import time
import tkinter as tk
from collections import deque
from datetime import datetime
from tkinter import ttk

from chatroom_reference.client.address import Address
from chatroom_reference.client.colours import Palette
from chatroom_reference.client.commands import Choose, Quit, parse
from chatroom_reference.client.compose import Compose
from chatroom_reference.client.lines import Kind, Line, Presenter
from chatroom_reference.client.look import Look
from chatroom_reference.client.message_view import MessageView
from chatroom_reference.client.name_panel import NamePanel
from chatroom_reference.client.people_list import PeopleList
from chatroom_reference.client.session import Phase, Session
from chatroom_reference.client.signals import on_stop
from chatroom_reference.client.status_bar import StatusBar
from chatroom_reference.client.unread import Bell, Unread

_WIDTH, _HEIGHT = 800, 540
_MIN_WIDTH, _MIN_HEIGHT = 480, 280
# Milliseconds between two looks at the network; without them an idle Tk would see no signal.
_TICK_MS = 20
# A burst is shown in slices, so that keys and redrawing get their turns in between. How many lines
# make a slice is learnt: a line of many scripts can take a thousand times as long as a plain one.
_SLICE_SECONDS = 0.012
_MOST_LINES_A_SLICE = 64
_MANY_PENDING = 2000
_REPORTS_A_TICK = 2
# However many come and go in a large room: a list of 5,000 takes 0.2 seconds to draw.
_SECONDS_BETWEEN_LISTS = 0.2
# A window that would be gone at once, because nobody listens, is not opened at all.
_SECONDS_HIDDEN = 0.4

# Windows that are closed, kept until the program ends: were one collected as garbage in the
# network's thread, Tcl would abort the program.
_kept: list[ChatWindow] = []


class ChatWindow:
    """A session in a window.

    Args:
        root: an empty Tk root; destroyed when the session has ended.
        session: not started yet.
        palette: the colours.
        emoji: False spells emoji out.
    """

    def __init__(self, root: tk.Tk, session: Session, palette: Palette, *, emoji: bool) -> None:
        self.root = root
        self.session = session
        self._presenter = Presenter(emoji=emoji)
        self._unread = Unread()
        self._bell = Bell()
        self._pending: deque[Line] = deque()
        self._phase: Phase | None = None
        self._people_shown = -1
        self._people_due = 0.0
        self._slice = 4
        self._jump = False
        self._stopped = False
        root.withdraw()
        self._look = Look(root, palette)
        self._build(ttk.Frame(root, padding=self._look.px(10)))
        self._place()
        self._bind()

    def start(self) -> None:
        """Connect, and begin to take turns; the caller then runs Tk's main loop."""
        now = time.monotonic()
        self._show_by = now + _SECONDS_HIDDEN
        self.session.start(now)
        self._tick()

    def leave(self) -> None:
        """Leave the room in good order, and then close the window."""
        self.session.leave(time.monotonic())

    def stop(self) -> None:
        """Leave at the next turn: for a signal, which may come at any moment."""
        self._stopped = True

    # Turns.

    def _tick(self) -> None:
        now = time.monotonic()
        if self._stopped:
            self.session.leave(now)
        self._take(now)
        self._show_pending()
        self._show_phase(now)
        if self.session.phase is Phase.ENDED and not self._pending:
            # What Tk still means to do would find its window gone, and complain.
            self.root.update_idletasks()
            self.root.destroy()
            return
        if now >= self._show_by and self.root.state() == "withdrawn":
            self._open()
        busy = self._pending or self.session.has_more
        self.root.after(1 if busy else _TICK_MS, self._tick)

    def _take(self, now: float) -> None:
        if len(self._pending) >= _MANY_PENDING:
            return
        wall = datetime.now()
        me = self.session.username
        lines = [
            self._presenter.received(message, me, wall)
            for message in self.session.poll(now, _REPORTS_A_TICK)
        ]
        self._pending += lines
        news = sum(line.is_news for line in lines)
        if news:
            self._unread.arrived(news, looked_at=self._has_focus())
            self._show_title()
        if any(line.kind is Kind.PRIVATE and not line.own for line in lines):
            self._ring(now)

    def _ring(self, now: float) -> None:
        if self._bell.may_ring(now):
            self.root.bell()

    def _show_pending(self) -> None:
        until = time.monotonic() + _SLICE_SECONDS
        while self._pending and time.monotonic() < until:
            lines = [self._pending.popleft() for _ in range(min(self._slice, len(self._pending)))]
            # Processor time: smaller slices would not help where other programs are in the way.
            began = time.thread_time()
            self.messages.append(lines)
            took = time.thread_time() - began
            if took > _SLICE_SECONDS / 2:
                self._slice = max(1, self._slice // 4)
            elif took < _SLICE_SECONDS / 8:
                self._slice = min(_MOST_LINES_A_SLICE, self._slice * 2)
        if self._jump and not self._pending:
            self._jump = False
            self.messages.to_end()

    def _show_phase(self, now: float) -> None:
        phase = self.session.phase
        status = self.session.status(now)
        self.status.show(status, can_reconnect=phase is Phase.WAITING)
        self._show_people(now)
        if phase is self._phase:
            return
        self._phase = phase
        if phase is Phase.CHATTING:
            self._say_locally(f"{status.text}.")
            self._show_title()
            self._swap(self.compose)
        elif phase is Phase.WAITING:
            self._say_locally(self.session.reason)
        elif phase is Phase.REFUSED:
            self.name_panel.ask(self.session.reason, self.session.username)
            self._swap(self.name_panel)
        if phase in (Phase.CHATTING, Phase.REFUSED) and self.root.state() == "withdrawn":
            self._open()

    def _show_people(self, now: float) -> None:
        people = self.session.people
        if people.version != self._people_shown and now >= self._people_due:
            self._people_shown = people.version
            self._people_due = now + _SECONDS_BETWEEN_LISTS
            self.people.show(people)

    def _say_locally(self, text: str) -> None:
        self._pending.append(self._presenter.local(text, datetime.now()))

    def _swap(self, wanted: Compose | NamePanel) -> None:
        other = self.name_panel if wanted is self.compose else self.compose
        other.grid_remove()
        wanted.grid()
        wanted.entry.focus_set()

    # What the user does.

    def _submit(self, text: str) -> None:
        command = parse(text, self.session.people.others)
        if isinstance(command, Quit):
            self.leave()
        elif isinstance(command, Choose):
            self.compose.choose(command.recipient)
        else:
            dm = command.only_to or self.compose.recipient
            self.session.say(command.text, dm)
            me = self.session.username
            self._pending.append(self._presenter.said(command.text, dm, me, datetime.now()))
            self._jump = True

    def _join_as(self, username: str) -> None:
        # A refusal of the new name, even at once, has to be shown anew.
        self._phase = None
        self.session.rename(username, time.monotonic())

    def _reconnect(self) -> None:
        self.session.reconnect(time.monotonic())

    def _choose(self, name: str) -> None:
        self.compose.choose(name)
        self.compose.entry.focus_set()

    def _type_instead(self, text: str) -> None:
        if self.compose.winfo_ismapped():
            self.compose.type(text)

    def _clear(self) -> None:
        if self.compose.winfo_ismapped():
            self.compose.clear()

    def _copy(self, _event: object) -> str | None:
        """Copy from the messages, when nothing is marked in the entry that has the focus."""
        if self.compose.entry.selection_present() or not self.messages.copy_selection():
            return None
        return "break"

    # The window.

    def _has_focus(self) -> bool:
        return bool(self.root.tk.call("focus", "-displayof", self.root))

    def _focused(self, _event: object) -> None:
        self._unread.arrived(0, looked_at=True)
        self._show_title()

    def _show_title(self) -> None:
        name = self._presenter.name(self.session.username)
        self.root.title(self._unread.title(f"{name} – ChatRoom"))

    def _open(self) -> None:
        self.root.deiconify()
        entry = self.name_panel if self.session.phase is Phase.REFUSED else self.compose
        entry.entry.focus_set()

    def _build(self, frame: ttk.Frame) -> None:
        gap = self._look.px(8)
        frame.grid(row=0, column=0, sticky="nsew")
        self.root.rowconfigure(0, weight=1)
        self.root.columnconfigure(0, weight=1)
        frame.rowconfigure(0, weight=1)
        frame.columnconfigure(0, weight=1)
        self.compose = Compose(
            frame, self._look, self._presenter, self._submit, lambda: self.session.people.others
        )
        self.messages = MessageView(frame, self._look, self._type_instead)
        self.people = PeopleList(frame, self._look, self._presenter, self._choose)
        self.name_panel = NamePanel(frame, self._look, self._join_as)
        self.status = StatusBar(frame, self._look, self._reconnect, self.leave)
        self.messages.grid(row=0, column=0, sticky="nsew")
        self.people.grid(row=0, column=1, sticky="ns", padx=(gap, 0))
        for panel in (self.compose, self.name_panel):
            panel.grid(row=1, column=0, columnspan=2, sticky="ew", pady=gap)
        self.name_panel.grid_remove()
        self.status.grid(row=2, column=0, columnspan=2, sticky="ew")
        # Tab goes through the window in the order it is used.
        for widget in (self.messages, self.people, self.status):
            widget.lift()

    def _place(self) -> None:
        px, root = self._look.px, self.root
        width = min(px(_WIDTH), root.winfo_screenwidth())
        height = min(px(_HEIGHT), root.winfo_screenheight())
        root.geometry(f"{width}x{height}")
        root.minsize(min(px(_MIN_WIDTH), width), min(px(_MIN_HEIGHT), height))
        self._show_title()

    def _bind(self) -> None:
        root, entry = self.root, self.compose.entry
        root.protocol("WM_DELETE_WINDOW", self.leave)
        root.bind("<FocusIn>", self._focused)
        root.bind("<Escape>", lambda _e: self._clear())
        root.bind("<Control-q>", lambda _e: self.leave())
        root.bind("<Alt-d>", lambda _e: self.leave())
        root.bind("<Alt-r>", lambda _e: self._reconnect())
        root.bind("<Alt-s>", lambda _e: self.compose.submit())
        root.bind("<Alt-t>", lambda _e: self.compose.box.focus_set())
        root.bind("<Alt-p>", lambda _e: self.people.list.focus_set())
        root.bind("<Alt-m>", lambda _e: self.messages.text.focus_set())
        root.bind("<Alt-a>", lambda _e: self.messages.show_all_of_last())
        root.bind("<Control-End>", lambda _e: self.messages.to_end())
        entry.bind("<Prior>", lambda _e: self.messages.scroll_pages(-1))
        entry.bind("<Next>", lambda _e: self.messages.scroll_pages(1))
        entry.bind("<Control-c>", self._copy)


def run_window(
    root: tk.Tk,
    address: Address,
    username: str,
    tls: ssl.SSLContext | None,
    palette: Palette,
    *,
    emoji: bool,
) -> Session:
    """Chat in a window until the session has ended; give the session."""
    session = Session(address, username, tls=tls)
    window = ChatWindow(root, session, palette, emoji=emoji)
    on_stop(window.stop)
    window.start()
    root.mainloop()
    _kept.append(window)
    return session
