"""Where the user writes: the recipient, the entry, and why something was not sent."""

from __future__ import annotations

import tkinter as tk
from collections.abc import Callable, Sequence
from tkinter import ttk

from chatroom_reference.client.commands import CommandError
from chatroom_reference.client.completion import Completion
from chatroom_reference.client.history import History
from chatroom_reference.client.lines import Presenter
from chatroom_reference.client.look import Look
from chatroom_reference.client.message_entry import MessageEntry
from chatroom_reference.client.session import CannotSend
from chatroom_reference.client.wrapping import WrappingLabel

EVERYONE = "Everyone"


class Compose(ttk.Frame):
    """One line to write in, with history and completion, and whom it is for.

    Args:
        parent: the widget it is in.
        look: its fonts and colours.
        presenter: makes names fit to be shown.
        submit: called with what was written; raises CommandError or CannotSend to have it kept.
        names: gives whose names can be completed and chosen.
    """

    def __init__(
        self,
        parent: tk.Misc,
        look: Look,
        presenter: Presenter,
        submit: Callable[[str], None],
        names: Callable[[], Sequence[str]],
    ) -> None:
        super().__init__(parent)
        self.recipient: str | None = None
        self._presenter = presenter
        self._submit = submit
        self._names = names
        self._history = History()
        self._completion = Completion()
        self._choices: list[str | None] = [None]
        self.reason = WrappingLabel(self, "bad.TLabel")
        self._to = ttk.Label(self, text="To", underline=0)
        self.box = ttk.Combobox(
            self, state="readonly", width=14, font=look.small, postcommand=self._offer
        )
        self.entry = MessageEntry(self, look)
        self.send_button = ttk.Button(
            self, text="Send", style="Accent.TButton", underline=0, command=self.submit
        )
        gap = look.px(6)
        self.reason.grid(row=0, column=0, columnspan=4, sticky="ew", pady=(0, gap))
        self._to.grid(row=1, column=0, padx=(0, gap))
        self.box.grid(row=1, column=1, padx=(0, gap), sticky="ns")
        self.entry.grid(row=1, column=2, sticky="nsew")
        self.send_button.grid(row=1, column=3, padx=(gap, 0), sticky="ns")
        self.columnconfigure(2, weight=1)
        self.explain("")
        self.choose(None)
        self._bind()

    def choose(self, recipient: str | None) -> None:
        """Talk to ``recipient`` from now on; None is everyone."""
        self.recipient = recipient
        self._offer()
        private = recipient is not None
        self.box.current(self._choices.index(recipient))
        self.box.configure(style="Private.TCombobox" if private else "TCombobox")
        self.entry.configure(style="Private.TEntry" if private else "TEntry")
        self._to.configure(text="Only to" if private else "To", underline=5 if private else 0)

    def explain(self, reason: str) -> None:
        """Say why something was not sent; an empty reason goes away."""
        self.reason.configure(text=reason)
        if reason:
            self.reason.grid()
        else:
            self.reason.grid_remove()

    def submit(self) -> None:
        """Hand over what was written, unless it is nothing; keep it if it cannot be sent."""
        text = self.entry.get()
        if not text:
            return
        try:
            self._submit(text)
        except (CannotSend, CommandError) as why:
            self.explain(str(why))
            return
        self._history.remember(text)
        self._write("")
        self.explain("")

    def type(self, text: str) -> None:
        """Take what was typed somewhere else."""
        self.entry.focus_set()
        self.entry.insert("insert", text)

    def clear(self) -> None:
        """Put away what was written, where Up still finds it; then go back to everyone."""
        self.explain("")
        text = self.entry.get()
        if text:
            self._history.remember(text)
            self._write("")
        else:
            self.choose(None)
        self.entry.focus_set()

    def _offer(self) -> None:
        """Fill the box: everyone, those who are there, and whoever is chosen and may be gone."""
        names = list(self._names())
        if self.recipient is not None and self.recipient not in names:
            names.append(self.recipient)
        self._choices = [None, *names]
        self.box.configure(values=[EVERYONE, *map(self._label, names)])

    def _label(self, name: str) -> str:
        shown = self._presenter.name(name)
        return f"{shown} (a user)" if shown == EVERYONE else shown

    def _boxed(self, _event: object) -> None:
        self.choose(self._choices[self.box.current()])
        self.box.selection_clear()
        self.entry.focus_set()

    def _write(self, text: str, cursor: int | None = None) -> None:
        self.entry.delete(0, "end")
        self.entry.insert(0, text)
        self.entry.put_cursor(len(text) if cursor is None else cursor)

    def _recall(self, text: str | None) -> str:
        if text is not None:
            self._write(text)
        return "break"

    def _complete(self, _event: object) -> str | None:
        text = self.entry.get()
        if not text:
            return None  # Tab in an empty entry goes to the next widget
        completed = self._completion.complete(text, self.entry.cursor, self._names())
        if completed:
            self._write(completed.text, completed.cursor)
        return "break"

    def _entered(self, _event: object) -> str:
        self.submit()
        return "break"

    def _bind(self) -> None:
        entry = self.entry
        entry.bind("<Return>", self._entered)
        entry.bind("<KP_Enter>", self._entered)
        entry.bind("<Up>", lambda _e: self._recall(self._history.older(entry.get())))
        entry.bind("<Down>", lambda _e: self._recall(self._history.newer()))
        entry.bind("<Tab>", self._complete)
        self.box.bind("<<ComboboxSelected>>", self._boxed)
