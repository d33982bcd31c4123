"""Another name, after one was refused."""

from __future__ import annotations

import tkinter as tk
from collections.abc import Callable
from tkinter import ttk

from chatroom_reference.client.look import Look
from chatroom_reference.client.wrapping import WrappingLabel


class NamePanel(ttk.Frame):
    """Says why a name was refused, and asks for another.

    Args:
        parent: the widget it is in.
        look: its fonts and colours.
        join: called with the new name.
    """

    def __init__(self, parent: tk.Misc, look: Look, join: Callable[[str], None]) -> None:
        super().__init__(parent)
        self._join = join
        self.reason = WrappingLabel(self, "bad.TLabel")
        label = ttk.Label(self, text="Another name", underline=8)
        self.entry = ttk.Entry(self, font=look.text, width=1)
        self.button = ttk.Button(
            self, text="Join", style="Accent.TButton", underline=0, command=self._submit
        )
        gap = look.px(6)
        self.reason.grid(row=0, column=0, columnspan=3, sticky="ew", pady=(0, gap))
        label.grid(row=1, column=0, padx=(0, gap))
        self.entry.grid(row=1, column=1, sticky="nsew")
        self.button.grid(row=1, column=2, padx=(gap, 0), sticky="ns")
        self.columnconfigure(1, weight=1)
        for event in ("<Return>", "<KP_Enter>"):
            self.entry.bind(event, lambda _e: self._submit())

    def ask(self, reason: str, name: str) -> None:
        """Ask, with the refused name to start from."""
        self.reason.configure(text=reason)
        self.entry.delete(0, "end")
        self.entry.insert(0, name)
        self.entry.selection_range(0, "end")
        self.entry.focus_set()

    def _submit(self) -> None:
        if self.entry.get():
            self._join(self.entry.get())
