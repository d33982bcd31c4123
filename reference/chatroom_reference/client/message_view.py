"""The conversation: lines arrive below, and nobody who reads above is disturbed."""

from __future__ import annotations

import tkinter as tk
from collections import deque
from collections.abc import Callable, Sequence
from tkinter import ttk

from attrs import define

from chatroom_reference.client.colours import sender_colour
from chatroom_reference.client.lines import Kind, Line
from chatroom_reference.client.look import Look
from chatroom_reference.client.text_safety import shorten

MOST_LINES = 5000
# Lines above one that is being read are not taken away under the reader's eyes, up to this.
_MOST_WHILE_READING = 2 * MOST_LINES
# Characters of shortened texts that are kept for "show all"; beyond, the oldest are let go.
_MOST_HIDDEN = 4_000_000


@define(eq=False)
class _Entry:
    """One line of the conversation in the widget: how many of its lines, and what is hidden."""

    number: int
    height: int
    rest: str = ""


class MessageView(ttk.Frame):
    """A text widget that follows its end, unless the user has scrolled away from it.

    Args:
        parent: the widget it is in.
        look: its fonts and colours.
        type_instead: called with a character that was typed here instead of in the entry.
    """

    def __init__(self, parent: tk.Misc, look: Look, type_instead: Callable[[str], None]) -> None:
        super().__init__(parent)
        self._look = look
        self._type_instead = type_instead
        self._entries: deque[_Entry] = deque()
        self._next_number = 0
        self._hidden: deque[_Entry] = deque()
        self._hidden_characters = 0
        self._following = True
        self._holding = False
        self._new = 0
        # What the line end before the next line belongs to: its background reaches to the edge.
        self._end_tags: tuple[str, ...] = ()
        self.text = self._make_text()
        self._scrollbar = ttk.Scrollbar(self, command=self._scroll_command)
        self.text.configure(yscrollcommand=self._scrollbar.set)
        self.text.grid(row=0, column=0, sticky="nsew")
        self._scrollbar.grid(row=0, column=1, sticky="ns")
        self.rowconfigure(0, weight=1)
        self.columnconfigure(0, weight=1)
        self.news = ttk.Button(self, style="Accent.TButton", command=self.to_end)
        self._menu = self._make_menu()
        self._make_tags()
        self._bind()

    @property
    def reading_back(self) -> bool:
        """Whether the user has scrolled away from the end, or is marking text."""
        return not self._following

    def append(self, lines: Sequence[Line]) -> None:
        """Show more lines, in order."""
        if not lines:
            return
        self._look_where()
        pieces: list[str | tuple[str, ...]] = []
        for line in lines:
            pieces += self._pieces(line)
        self.text.configure(state="normal")
        self.text.tag_remove("private", "end-1c", "end")
        self.text.insert("end", *pieces)  # type: ignore[arg-type]
        if "private" in self._end_tags:
            self.text.tag_add("private", "end-1c", "end")
        self._trim()
        self.text.configure(state="disabled")
        if self._following:
            self.text.see("end")
        else:
            self._new += sum(line.is_news for line in lines)
            self._show_news()

    def to_end(self) -> None:
        """Go to the newest line, and follow from there."""
        self._following = True
        self._new = 0
        self.text.see("end")
        self._show_news()

    def scroll_pages(self, pages: int) -> None:
        """Scroll, for the keys of another widget."""
        self.text.yview_scroll(pages, "pages")
        self._look_where()

    def copy_selection(self) -> bool:
        """Put the marked text on the clipboard; say whether there was any."""
        if not self.text.tag_ranges("sel"):
            return False
        self.text.event_generate("<<Copy>>")
        return True

    # Where the user is reading.

    def _look_where(self) -> None:
        """Find out whether the end is seen; an unmapped widget sees nothing, so it is not asked."""
        if not self.text.winfo_viewable() or self.text.winfo_height() <= 1:
            return
        self._following = not self._holding and self.text.dlineinfo("end-1c") is not None
        if self._following:
            self._new = 0
            self._show_news()

    def _show_news(self) -> None:
        if self._following:
            self.news.place_forget()
            return
        words = f"{self._new:,} new" if self._new else "Latest"
        self.news.configure(text=f"↓ {words}")
        self.news.place(relx=0.5, rely=1.0, y=-self._look.px(8), anchor="s")

    def _scroll_command(self, *arguments: str) -> None:
        self.text.yview(*arguments)
        self._look_where()

    def _resized(self, _event: object) -> None:
        if self._following:
            self.text.see("end")

    def _hold(self, _event: object) -> None:
        self._holding = True

    def _let_go(self, _event: object) -> None:
        self._holding = False
        self.after_idle(self._look_where)

    # What is shown of a line.

    def _pieces(self, line: Line) -> list[str | tuple[str, ...]]:
        entry = _Entry(self._next_number, 1)
        self._next_number += 1
        ground = ("private",) if line.kind is Kind.PRIVATE else ()
        pieces: list[str | tuple[str, ...]] = []
        if self._entries:
            pieces += ["\n", self._end_tags]
        pieces += [f"{line.clock}\t", (*ground, "clock")]
        pieces += self._heading(line, ground)
        body = (*ground, "quiet" if line.kind in (Kind.PRESENCE, Kind.LOCAL) else "body")
        short = shorten(line.text)
        pieces += [short.head, body]
        entry.height += short.head.count("\n")
        if short.rest:
            entry.rest = short.rest
            words = f" … show all ({len(short.rest):,} characters more)"
            pieces += [words, (*body, "more", _more(entry))]
            self._hide(entry)
        self._entries.append(entry)
        self._end_tags = body
        return pieces

    def _heading(self, line: Line, ground: tuple[str, ...]) -> list[str | tuple[str, ...]]:
        if line.kind is Kind.NOTICE:
            return ["server", (*ground, "server"), "  ", (*ground, "body")]
        if not line.sender or line.kind is Kind.PRESENCE:
            return []
        name = (*ground, "name", self._colour_tag(line.sender))
        if line.to is None:
            return [line.name, name, "  ", "body"]
        return [
            line.name,
            name,
            " only to ",
            (*ground, "only"),
            line.to,
            (*ground, "name"),
            "  ",
            (*ground, "body"),
        ]

    def _colour_tag(self, sender: str) -> str:
        colour = sender_colour(sender, self._look.palette)
        tag = f"sender{colour}"
        self.text.tag_configure(tag, foreground=colour)
        return tag

    # Bounds.

    def _trim(self) -> None:
        most = MOST_LINES if self._following else _MOST_WHILE_READING
        height = 0
        while len(self._entries) > most:
            entry = self._entries.popleft()
            height += entry.height
            self._let_go_of(entry)
        if height:
            self.text.delete("1.0", f"{height + 1}.0")

    def _hide(self, entry: _Entry) -> None:
        self._hidden.append(entry)
        self._hidden_characters += len(entry.rest)
        while self._hidden_characters > _MOST_HIDDEN:
            self._let_go_of(self._hidden[0])

    def _let_go_of(self, entry: _Entry) -> None:
        if entry.rest:
            self._hidden.remove(entry)
            self._hidden_characters -= len(entry.rest)
            entry.rest = ""
            self.text.tag_delete(_more(entry))

    # Show all.

    def _show_all_here(self, event: tk.Event[tk.Text]) -> None:
        names = self.text.tag_names(f"@{event.x},{event.y}")
        for entry in tuple(self._hidden):
            if _more(entry) in names:
                self._show_all(entry)

    def show_all_of_last(self) -> None:
        """Show all of the newest text that is shortened: the keyboard's way."""
        if self._hidden:
            self._show_all(self._hidden[-1])

    def _show_all(self, entry: _Entry) -> None:
        tag = _more(entry)
        start, end = self.text.tag_ranges(tag)
        keep = tuple(
            name for name in self.text.tag_names(start) if name not in (tag, "more", "sel")
        )
        rest = entry.rest
        self._let_go_of(entry)
        self.text.configure(state="normal")
        self.text.delete(start, end)
        self.text.insert(start, rest, keep)
        self.text.configure(state="disabled")
        entry.height += rest.count("\n")
        self._look_where()

    # Construction.

    def _make_text(self) -> tk.Text:
        p = self._look.palette
        return tk.Text(
            self,
            width=1,
            height=1,
            wrap="word",
            state="disabled",
            font=self._look.text,
            background=p.field,
            foreground=p.text,
            selectbackground=p.selection,
            selectforeground=p.selection_text,
            inactiveselectbackground=p.selection,
            highlightthickness=self._look.px(1),
            highlightbackground=p.border,
            highlightcolor=p.accent,
            borderwidth=0,
            padx=self._look.px(10),
            pady=self._look.px(8),
            cursor="xterm",
            takefocus=True,
        )

    def _make_tags(self) -> None:
        look, p = self._look, self._look.palette
        indent = look.small.measure("00:00") + look.px(12)
        self.text.configure(tabs=(indent,), tabstyle="wordprocessor")
        # A line that begins with a clock begins at the edge; all else of it hangs below its text,
        # which no text of another user can imitate.
        self.text.tag_configure(
            "clock", font=look.small, foreground=p.muted, lmargin1=0, lmargin2=indent
        )
        for tag in ("body", "quiet", "name", "server", "only", "more"):
            self.text.tag_configure(tag, lmargin1=indent, lmargin2=indent)
        gap = look.px(2)
        for tag in ("clock", "body", "quiet"):
            self.text.tag_configure(tag, spacing1=gap, spacing3=gap)
        self.text.tag_configure("quiet", foreground=p.muted, font=look.small)
        self.text.tag_configure("name", font=look.bold)
        self.text.tag_configure("server", font=look.bold, foreground=p.busy)
        self.text.tag_configure("only", font=look.small)
        self.text.tag_configure("more", foreground=p.accent, underline=True)
        self.text.tag_configure("private", background=p.private, lmargincolor=p.private)
        self.text.tag_raise("sel")

    def _make_menu(self) -> tk.Menu:
        p = self._look.palette
        menu = tk.Menu(
            self,
            tearoff=False,
            font=self._look.small,
            background=p.field,
            foreground=p.text,
            activebackground=p.selection,
            activeforeground=p.selection_text,
        )
        menu.add_command(label="Copy", command=self.copy_selection)
        menu.add_command(label="Select all", command=self._select_all)
        return menu

    def _select_all(self) -> None:
        self.text.tag_add("sel", "1.0", "end-1c")

    def _bind(self) -> None:
        text = self.text
        text.bind("<Configure>", self._resized)
        text.bind("<ButtonPress-1>", self._hold)
        text.bind("<ButtonRelease-1>", self._let_go)
        text.bind("<Button-3>", lambda e: self._menu.tk_popup(e.x_root, e.y_root))
        for event in ("<MouseWheel>", "<Button-4>", "<Button-5>", "<KeyPress>", "<B2-Motion>"):
            # After the widget's own reaction to the event.
            text.bind(event, lambda _e: self.after_idle(self._look_where), add=True)
        text.bind("<Key>", self._typed, add=True)
        text.tag_bind("more", "<ButtonRelease-1>", self._show_all_here)
        text.tag_bind("more", "<Enter>", lambda _e: text.configure(cursor="hand2"))
        text.tag_bind("more", "<Leave>", lambda _e: text.configure(cursor="xterm"))

    def _typed(self, event: tk.Event[tk.Text]) -> None:
        command_keys = 0x4 | 0x8  # Control and Alt
        if event.char and event.char.isprintable() and not int(event.state) & command_keys:
            self._type_instead(event.char)


def _more(entry: _Entry) -> str:
    return f"more{entry.number}"
