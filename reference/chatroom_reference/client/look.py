"""How the window looks: resolution, fonts, and one style for every widget."""

from __future__ import annotations

import contextlib
import gc
import os
import socket
import tkinter as tk
from pathlib import Path
from tkinter import font as tkfont
from tkinter import ttk
from typing import Any

from chatroom_reference.client.colours import Palette

_TEXT_POINTS, _SMALL_POINTS = 11, 10


_GLYPHS = Path(__file__).with_name("glyphs.xresources")


def open_root(screen: str | None = None) -> tk.Tk:
    """Open Tk, on the display named or the usual one, set up for this screen and its emoji.

    Raises:
        tkinter.TclError: there is no display.
    """
    # Xft reads it when the first text is measured. A file of the user's own comes first.
    personal = Path.home() / f".Xdefaults-{socket.gethostname()}"
    if not personal.exists():
        os.environ.setdefault("XENVIRONMENT", str(_GLYPHS))
    root = tk.Tk(screenName=screen, className="ChatRoom")
    _use_desktop_resolution(root)
    return root


def _use_desktop_resolution(root: tk.Tk) -> None:
    """Take the resolution that the desktop is set to, where it says one.

    Tk knows what the screen says of itself; desktops say what the user chose in the resource
    ``Xft.dpi``, which only a program of class Xft is given, so one asks for a moment.
    """
    with contextlib.suppress(tk.TclError, ValueError):
        asking = tk.Tk(screenName=root.winfo_screen(), className="Xft", useTk=True)
        try:
            asking.withdraw()
            dots_per_inch = float(asking.tk.call("option", "get", ".", "dpi", "Dpi"))
        finally:
            asking.destroy()
            del asking
            # Now, in the only thread there is yet: Tcl aborts when another one collects it.
            gc.collect()
        if 48 <= dots_per_inch <= 960:
            root.tk.call("tk", "scaling", dots_per_inch / 72)


class Look:
    """Fonts and measures for one window, in one palette."""

    def __init__(self, root: tk.Tk, palette: Palette) -> None:
        self.palette = palette
        # Lengths are given for 96 dots an inch.
        self._scale = float(root.tk.call("tk", "scaling")) * 72 / 96
        family = tkfont.nametofont("TkDefaultFont", root).actual("family")
        self.text = tkfont.Font(root, family=family, size=_TEXT_POINTS)
        self.bold = tkfont.Font(root, family=family, size=_TEXT_POINTS, weight="bold")
        self.small = tkfont.Font(root, family=family, size=_SMALL_POINTS)
        self.small_bold = tkfont.Font(root, family=family, size=_SMALL_POINTS, weight="bold")
        root.configure(background=palette.window)
        self._style_widgets(ttk.Style(root))
        self._style_lists(root)

    def px(self, length: float) -> int:
        """Give a length, meant for 96 dots an inch, in pixels of this screen."""
        return max(1, round(length * self._scale))

    def _style_widgets(self, style: ttk.Style) -> None:
        p = self.palette
        style.theme_use("clam")
        style.configure(
            ".",
            background=p.window,
            foreground=p.text,
            font=self.small,
            bordercolor=p.border,
            lightcolor=p.button,
            darkcolor=p.button,
            troughcolor=p.window,
            focuscolor=p.accent,
            insertcolor=p.text,
            selectbackground=p.selection,
            selectforeground=p.selection_text,
        )
        style.configure("Muted.TLabel", foreground=p.muted)
        style.configure("Heading.TLabel", foreground=p.muted, font=self.small_bold)
        for tone in ("good", "busy", "bad"):
            style.configure(f"{tone}.TLabel", foreground=getattr(p, tone))
        self._style_buttons(style)
        self._style_fields(style)
        self._style_scrollbars(style)

    def _style_scrollbars(self, style: ttk.Style) -> None:
        p = self.palette
        # A slider alone: wheel, keys and dragging scroll, and arrows are only in the way.
        slider: Any = ("Vertical.Scrollbar.thumb", {"expand": True, "sticky": "nswe"})
        trough: Any = ("Vertical.Scrollbar.trough", {"sticky": "ns", "children": [slider]})
        style.layout("Vertical.TScrollbar", [trough])
        style.configure(
            "Vertical.TScrollbar",
            arrowsize=self.px(10),
            gripcount=0,
            background=p.border,
            troughcolor=p.window,
            bordercolor=p.window,
            lightcolor=p.border,
            darkcolor=p.border,
        )
        nothing_to_scroll = ("disabled", p.window)
        style.map(
            "Vertical.TScrollbar",
            background=[nothing_to_scroll, ("active", p.muted)],
            lightcolor=[nothing_to_scroll],
            darkcolor=[nothing_to_scroll],
        )

    def _style_buttons(self, style: ttk.Style) -> None:
        p = self.palette
        padding = (self.px(10), self.px(4))
        style.configure("TButton", background=p.button, padding=padding, anchor="center", width=0)
        style.map(
            "TButton",
            background=[("active", p.button_active)],
            foreground=[("disabled", p.muted)],
            bordercolor=[("focus", p.accent)],
        )
        accent = {
            "background": p.accent,
            "bordercolor": p.accent,
            "lightcolor": p.accent,
            "darkcolor": p.accent,
        }
        style.configure(
            "Accent.TButton", foreground=p.accent_text, focuscolor=p.accent_text, **accent
        )
        style.map(
            "Accent.TButton",
            background=[("disabled", p.button), ("active", p.accent_active)],
            lightcolor=[("disabled", p.button)],
            darkcolor=[("disabled", p.button)],
            foreground=[("disabled", p.muted)],
        )

    def _style_fields(self, style: ttk.Style) -> None:
        p = self.palette
        padding = (self.px(6), self.px(4))
        for kind, ground in (("", p.field), ("Private.", p.private)):
            for widget in ("TEntry", "TCombobox"):
                style.configure(
                    f"{kind}{widget}",
                    fieldbackground=ground,
                    background=p.button,
                    foreground=p.text,
                    lightcolor=ground,
                    darkcolor=ground,
                    padding=padding,
                    arrowsize=self.px(13),
                    arrowcolor=p.muted,
                )
                style.map(
                    f"{kind}{widget}",
                    fieldbackground=[("readonly", ground)],
                    foreground=[("disabled", p.muted), ("readonly", p.text)],
                    # A readonly box marks all its text as selected; its border says it better.
                    selectbackground=[("readonly", ground)],
                    selectforeground=[("readonly", p.text)],
                    bordercolor=[("focus", p.accent)],
                    lightcolor=[("focus", p.accent)],
                    background=[("active", p.button_active)],
                )

    def _style_lists(self, root: tk.Tk) -> None:
        p = self.palette
        for option, value in (
            ("background", p.field),
            ("foreground", p.text),
            ("selectBackground", p.selection),
            ("selectForeground", p.selection_text),
            ("font", self.small),
        ):
            root.option_add(f"*TCombobox*Listbox.{option}", value)
