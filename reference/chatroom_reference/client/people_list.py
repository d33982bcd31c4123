"""The list of who is there."""

from __future__ import annotations

import tkinter as tk
from collections.abc import Callable
from tkinter import ttk

from chatroom_reference.client.colours import sender_colour
from chatroom_reference.client.lines import Presenter
from chatroom_reference.client.look import Look
from chatroom_reference.client.people import People

_WIDTH = 17


class PeopleList(ttk.Frame):
    """Names, each in its colour; a double click or Enter chooses whom to talk to.

    Args:
        parent: the widget it is in.
        look: its fonts and colours.
        presenter: makes names fit to be shown.
        choose: called with the name that was chosen.
    """

    def __init__(
        self, parent: tk.Misc, look: Look, presenter: Presenter, choose: Callable[[str], None]
    ) -> None:
        super().__init__(parent)
        self._look = look
        self._presenter = presenter
        self._choose = choose
        self._names: list[str] = []
        self.heading = ttk.Label(self, style="Heading.TLabel", text="People")
        self.list = self._make_list()
        scrollbar = ttk.Scrollbar(self, command=self.list.yview)
        self.list.configure(yscrollcommand=scrollbar.set)
        self.heading.grid(row=0, column=0, columnspan=2, sticky="w", pady=(0, look.px(4)))
        self.list.grid(row=1, column=0, sticky="nsew")
        scrollbar.grid(row=1, column=1, sticky="ns")
        self.rowconfigure(1, weight=1)
        self.columnconfigure(0, weight=1)
        for event in ("<Double-Button-1>", "<Return>", "<KP_Enter>"):
            self.list.bind(event, self._chosen)

    def show(self, people: People) -> None:
        """Show who is there now; what was scrolled to and marked stays."""
        self.heading.configure(text=people.heading())
        names = people.names
        marked = self._marked()
        place = self.list.yview()[0]
        self._names = names
        self.list.delete(0, "end")
        self.list.insert("end", *(self._label(name, people.me) for name in names))
        for index, name in enumerate(names):
            self.list.itemconfigure(index, foreground=sender_colour(name, self._look.palette))
        if marked in names:
            self.list.selection_set(names.index(marked))
        self.list.yview_moveto(place)

    def _label(self, name: str, me: str) -> str:
        shown = self._presenter.name(name)
        return f" {shown} (you)" if name == me else f" {shown}"

    def _marked(self) -> str | None:
        marked = self.list.curselection()  # type: ignore[no-untyped-call]
        return self._names[marked[0]] if marked else None

    def _chosen(self, _event: object) -> str:
        name = self._marked()
        if name is not None:
            self._choose(name)
        return "break"

    def _make_list(self) -> tk.Listbox:
        p = self._look.palette
        return tk.Listbox(
            self,
            width=_WIDTH,
            height=1,
            font=self._look.small,
            background=p.field,
            foreground=p.text,
            selectbackground=p.selection,
            selectforeground=p.selection_text,
            highlightthickness=self._look.px(1),
            highlightbackground=p.border,
            highlightcolor=p.accent,
            borderwidth=0,
            activestyle="dotbox",
            exportselection=False,
        )
