"""A label as wide as it is given room for, and as high as its words then need."""

from __future__ import annotations

import tkinter as tk
from tkinter import ttk


class WrappingLabel(ttk.Label):
    """A label for sentences; to be put where it is stretched from side to side."""

    def __init__(self, parent: tk.Misc, style: str = "TLabel") -> None:
        # The width asked for is small, so that a long sentence never widens the window.
        super().__init__(parent, style=style, width=1, justify="left", anchor="w")
        self.bind("<Configure>", self._wrap)

    @property
    def words(self) -> str:
        """What it says."""
        return str(self.cget("text"))

    def _wrap(self, event: tk.Event[tk.Misc]) -> None:
        self.configure(wraplength=max(1, event.width))
