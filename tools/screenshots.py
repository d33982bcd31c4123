"""Make the README's pictures of the client: a real window, a real server, people talking.

Run by hand, where Xvfb and ImageMagick's ``import`` are installed:

    python tools/screenshots.py docs/screenshots
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from chatroom_protocol import ClientConnection, ClientState
from chatroom_reference.client.address import Address
from chatroom_reference.client.colours import PALETTES
from chatroom_reference.client.look import open_root
from chatroom_reference.client.session import Phase, Session
from chatroom_reference.client.window import ChatWindow

PATIENCE = 10.0


class Person:
    """Somebody in the room, over a blocking socket."""

    def __init__(self, port: int, name: str) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._connection = ClientConnection()
        self._connection.join(name)
        self._flush()
        while self._connection.state is not ClientState.JOINED:
            self._connection.receive_data(self._socket.recv(4096))

    def say(self, text: str, dm: str | None = None) -> None:
        self._connection.say(text, dm)
        self._flush()

    def leave(self) -> None:
        self._connection.leave()
        self._flush()

    def _flush(self) -> None:
        self._socket.sendall(self._connection.data_to_send())


@contextlib.contextmanager
def display(dots_per_inch: int, size: str) -> Iterator[None]:
    read, write = os.pipe()
    options = ["-screen", "0", f"{size}x24", "-dpi", str(dots_per_inch), "-nolisten", "tcp"]
    command = ["Xvfb", "-displayfd", str(write), *options]
    with subprocess.Popen(command, pass_fds=[write], stderr=subprocess.DEVNULL) as xvfb:
        os.close(write)
        with os.fdopen(read) as answer:
            os.environ["DISPLAY"] = f":{answer.readline().strip()}"
        try:
            yield
        finally:
            xvfb.terminate()


@contextlib.contextmanager
def server() -> Iterator[int]:
    command = [sys.executable, "-m", "chatroom_reference.server", "--port", "0"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline().rsplit(":", 1)[1])
        finally:
            process.terminate()


def until(window: ChatWindow, met: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not met():
        if time.monotonic() > deadline:
            raise SystemExit(f"waited in vain for {what}")
        window.root.update()
        time.sleep(0.005)


def said(window: ChatWindow, text: str) -> Callable[[], bool]:
    return lambda: text in window.messages.text.get("1.0", "end")


def converse(window: ChatWindow, port: int) -> list[Person]:
    """Have a conversation; give those who are still there."""
    until(window, lambda: window.session.phase is Phase.CHATTING, "the join")
    ben, chloe, dmitri = (Person(port, name) for name in ("Ben", "Chloé", "Дмитрий"))

    def mine(text: str) -> None:
        window.compose.entry.insert(0, text)
        window.compose.submit()
        until(window, said(window, text[-12:]), text)

    def theirs(person: Person, text: str, dm: str | None = None) -> None:
        person.say(text, dm)
        until(window, said(window, text[-12:]), text)

    theirs(ben, "Morning! Has anybody tried the new build yet?")
    mine("I have. It starts twice as fast, and the log is readable at last.")
    theirs(
        chloe,
        "Same here 🎉 I left it running over night with five hundred clients that join, say "
        "something and leave, and memory stayed where it was. I will put the figures on the page.",
    )
    theirs(dmitri, "Отлично! I only saw one odd thing, with names that end in a space.")
    theirs(ben, "That is on purpose: such a name is refused, with code 3.")
    theirs(chloe, "Lunch at half past twelve? Don't tell the others, there is one cake.", "Ada")
    mine("/msg Chloé I'll be there. 🍰")
    theirs(ben, "Bye for now, my train is here.")
    ben.leave()
    until(window, said(window, "Ben left"), "Ben's leave")
    mine("/msg nobody are you there?")
    until(window, said(window, "nobody'"), "the notice")
    window.compose.choose("Chloé")
    window.compose.entry.insert(0, "One o'clock, then")
    return [chloe, dmitri]


def settle(window: ChatWindow, seconds: float = 0.4) -> None:
    """Let the last redrawing happen, which nothing reports."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        window.root.update()
        time.sleep(0.01)


def picture(path: Path, theme: str, geometry: str | None) -> None:
    with server() as port:
        root = open_root()
        session = Session(Address("127.0.0.1", port), "Ada")
        window = ChatWindow(root, session, PALETTES[theme], emoji=True)
        if geometry:
            root.geometry(geometry)
        window.start()
        others = converse(window, port)
        root.focus_force()
        settle(window)
        subprocess.run(["import", "-window", str(root.winfo_id()), str(path)], check=True)
        window.leave()
        until(window, lambda: session.phase is Phase.ENDED, "the leave")
        for person in others:
            person.leave()
    # In this thread, and before there is another one: Tcl aborts when another collects a window.
    del window, root
    gc.collect()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where to put light.png and dark.png")
    parser.add_argument("--geometry", help="size of the window, as WIDTHxHEIGHT")
    parser.add_argument("--dpi", type=int, default=96, help="the screen's dots an inch")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    # One display for all: Tk keeps a connection that was open, and dies with its display.
    with display(options.dpi, "2560x1600"):
        for theme in sorted(PALETTES):
            picture(options.folder / f"{theme}.png", theme, options.geometry)


if __name__ == "__main__":
    main()
