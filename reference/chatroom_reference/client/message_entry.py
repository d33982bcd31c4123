"""An entry in which a character is a character, also beyond U+FFFF."""

from __future__ import annotations

import tkinter as tk
from tkinter import ttk

from chatroom_reference.client.look import Look


class MessageEntry(ttk.Entry):
    """A ``ttk.Entry`` whose cursor counts code points, and whose keys never halve an emoji.

    Tk 8.6 keeps such a character as two, and its keys step between them.
    """

    def __init__(self, parent: tk.Misc, look: Look) -> None:
        super().__init__(parent, font=look.text, width=1)
        self._astral_width = int(self.tk.call("string", "length", "\U0001f600"))
        self.bind("<BackSpace>", lambda _e: self._delete_one(-1))
        self.bind("<Delete>", lambda _e: self._delete_one(1))
        # After the widget's own reaction, which its class tag has.
        tags = list(self.bindtags())
        tags.insert(tags.index("TEntry") + 1, "WholeCharacters")
        self.bindtags(tuple(tags))
        for event in ("<Key>", "<ButtonRelease-1>"):
            self.bind_class("WholeCharacters", event, self._step_out)

    @property
    def cursor(self) -> int:
        """The place of the cursor, in code points; within a character, behind it."""
        text, wanted, cursor = self.get(), self.index("insert"), 0
        while cursor < len(text) and self._width(text[:cursor]) < wanted:
            cursor += 1
        return cursor

    def put_cursor(self, cursor: int) -> None:
        """Put the cursor in front of the code point with that number, and scroll there."""
        self.icursor(self._width(self.get()[:cursor]))
        self.tk.call("ttk::entry::See", self)

    def _width(self, text: str) -> int:
        return sum(self._astral_width if ord(each) > 0xFFFF else 1 for each in text)

    def _delete_one(self, direction: int) -> str | None:
        if self.selection_present():
            return None
        text, cursor = self.get(), self.cursor
        first, last = sorted((cursor, cursor + direction))
        if first >= 0 and last <= len(text):
            self.delete(self._width(text[:first]), self._width(text[:last]))
            self.put_cursor(first)
        return "break"

    def _step_out(self, event: tk.Event[tk.Misc]) -> None:
        cursor = self.cursor
        if self._width(self.get()[:cursor]) != self.index("insert"):
            self.put_cursor(cursor - 1 if event.keysym == "Left" else cursor)
