"""How the connection stands, in words, and what can be done about it."""

from __future__ import annotations

import tkinter as tk
from collections.abc import Callable
from tkinter import ttk

from chatroom_reference.client.look import Look
from chatroom_reference.client.session import Status
from chatroom_reference.client.wrapping import WrappingLabel


class StatusBar(ttk.Frame):
    """A line of words, a button to reconnect where that makes sense, and one to leave."""

    def __init__(
        self,
        parent: tk.Misc,
        look: Look,
        reconnect: Callable[[], None],
        leave: Callable[[], None],
    ) -> None:
        super().__init__(parent)
        self._shown: Status | None = None
        self._words = WrappingLabel(self)
        self._dot = ttk.Label(self, text="●")
        self.reconnect = ttk.Button(self, text="Reconnect now", underline=0, command=reconnect)
        self.disconnect = ttk.Button(self, text="Disconnect", underline=0, command=leave)
        gap = look.px(6)
        self._dot.grid(row=0, column=0, padx=(0, gap))
        self._words.grid(row=0, column=1, sticky="ew")
        self.reconnect.grid(row=0, column=2, padx=(gap, 0))
        self.disconnect.grid(row=0, column=3, padx=(gap, 0))
        self.columnconfigure(1, weight=1)
        self.reconnect.grid_remove()

    @property
    def words(self) -> str:
        """What is said at the moment."""
        return self._words.words

    def show(self, status: Status, *, can_reconnect: bool) -> None:
        """Show a status; the colour of the dot only repeats what the words say."""
        if status == self._shown:
            return
        self._shown = status
        self._words.configure(text=status.text)
        self._dot.configure(style=f"{status.tone.value}.TLabel")
        if can_reconnect:
            self.reconnect.grid()
        else:
            self.reconnect.grid_remove()
