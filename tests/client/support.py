"""What the client's tests stand on: a display, servers, people in the room, a driven window."""

from __future__ import annotations

import contextlib
import ctypes
import ctypes.util
import gc
import json
import os
import select
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import tkinter as tk
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest

from chatroom_protocol import ClientConnection, ClientState, Disconnect, ServerMessage
from chatroom_reference.client.address import Address
from chatroom_reference.client.colours import LIGHT, Palette
from chatroom_reference.client.look import open_root
from chatroom_reference.client.session import Phase, Session
from chatroom_reference.client.window import ChatWindow

PATIENCE = 20.0
"""Seconds until a test gives up; only a failing test ever waits so long."""


def wait_for(
    met: Callable[[], object], what: str, turn: Callable[[], object] | None = None
) -> None:
    """Take turns until ``met`` is true; fail after :data:`PATIENCE` seconds."""
    deadline = time.monotonic() + PATIENCE
    while not met():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        if turn:
            turn()
        time.sleep(0.002)


def need(program: str) -> str:
    """Give a program's path; without it the test is skipped, and in CI it fails."""
    path = shutil.which(program)
    if path:
        return path
    if os.environ.get("CI"):
        pytest.fail(f"{program} is missing, which CI has to have")
    pytest.skip(f"{program} is not installed")


@contextlib.contextmanager
def xvfb(*options: str) -> Iterator[str]:
    """Run a display of its own; give its name."""
    read, write = os.pipe()
    command = [need("Xvfb"), "-displayfd", str(write), "-screen", "0", "1920x1080x24"]
    with subprocess.Popen(
        [*command, "-nolisten", "tcp", *options], pass_fds=[write], stderr=subprocess.DEVNULL
    ) as process:
        os.close(write)
        try:
            # Number and newline are written one by one; closing in between would kill the server.
            with os.fdopen(read) as answer:
                number = answer.readline().strip()
                assert number, "Xvfb did not start"
                yield f":{number}"
        finally:
            process.terminate()


# Servers.


class RealServer:
    """The reference server in a process, which can be killed and started again."""

    def __init__(self, port: int = 0, *options: str) -> None:
        self._options = options
        self.port = port
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "chatroom_reference.server", "--port", str(self.port)]
        self._process = subprocess.Popen(
            [*command, *self._options],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdout
        line = self._process.stdout.readline()
        assert line.startswith("listening on "), line
        self.port = int(line.rsplit(":", 1)[1])

    def ask_to_stop(self) -> None:
        self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def _end(self, number: int) -> None:
        if self._process.poll() is not None:
            return
        self._process.send_signal(number)
        self._process.wait(PATIENCE)
        assert self._process.stdout
        self._process.stdout.close()


class OriginalServer:
    """A server that behaves as the original of 2018 did.

    Nothing between frames, one ``recv`` is one frame, no extensions, no notices, a local date
    without zone, and those who have not joined hear everyone.
    """

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._names: dict[socket.socket, str | None] = {}
        self.received: list[dict[str, Any]] = []
        self._stop, stop = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(stop, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, args=(stop,))
        self._thread.start()

    def close(self) -> None:
        self._stop.send(b"!")
        self._thread.join(PATIENCE)
        self._stop.close()

    def _run(self, stop: socket.socket) -> None:
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is stop:
                    for each in (*self._names, self._listener, stop):
                        each.close()
                    self._selector.close()
                    return
                if key.fileobj is self._listener:
                    self._accept()
                else:
                    assert isinstance(key.fileobj, socket.socket)
                    self._serve(key.fileobj)

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        self._names[client] = None
        self._selector.register(client, selectors.EVENT_READ)

    def _serve(self, client: socket.socket) -> None:
        data = client.recv(4096)
        if not data:
            self._drop(client)
            return
        frame = json.loads(data)
        self.received.append(frame)
        if "username" in frame:
            self._join(client, frame["username"])
        elif "disconnect" in frame:
            client.sendall(json.dumps({"disconnect": True}).encode())
            name = self._names[client] or ""
            self._drop(client)
            self._spread(client, name, f"{name} is offline\n", None)
        else:
            self._spread(client, frame["sender"], frame["message"], frame["dm"])

    def _join(self, client: socket.socket, name: str) -> None:
        taken = name in self._names.values()
        answer = {"errorCode": 1 if taken else -1, "isConnected": not taken}
        if not taken:
            self._names[client] = name
            self._spread(client, name, "User has connected", None)
        client.sendall(json.dumps(answer).encode())

    def _spread(self, client: socket.socket, sender: str, text: str, dm: str | None) -> None:
        frame = {
            "date": str(datetime.now()),
            "length": len(text),
            "message": text,
            "dm": dm,
            "sender": sender,
        }
        for other, name in self._names.items():
            if other is not client and dm in (None, name):
                other.sendall(json.dumps(frame).encode())

    def _drop(self, client: socket.socket) -> None:
        self._selector.unregister(client)
        del self._names[client]
        client.close()


class ScriptedServer:
    """A server that does, with its one client, just what a test tells it to.

    ``turn`` is done while it waits, so that a window in the same thread can act meanwhile.
    """

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.turn: Callable[[], object] = lambda: None
        self._client: socket.socket | None = None
        self._received = b""

    def accept(self) -> dict[str, Any]:
        """Take a connection; give its join."""
        self._until_readable(self._listener)
        self._client, _ = self._listener.accept()
        self._client.settimeout(PATIENCE)
        return self.receive()

    def receive(self) -> dict[str, Any]:
        """Wait for a frame."""
        while b"\n" not in self._received:
            assert self._receive_more(), f"the stream ended after {self._received!r}"
        line, self._received = self._received.split(b"\n", 1)
        frame: dict[str, Any] = json.loads(line)
        return frame

    def at_end(self) -> bool:
        """Wait for what comes next; say whether it is the end of the stream."""
        return not self._received and not self._receive_more()

    def send(self, *frames: object) -> None:
        self.send_bytes(b"".join(json.dumps(frame).encode() + b"\n" for frame in frames))

    def send_bytes(self, data: bytes) -> None:
        assert self._client
        self._client.sendall(data)

    def welcome(self, *extensions: str) -> None:
        self.accept()
        self.send({"isConnected": True, "errorCode": -1, "extensions": extensions})

    def drop(self) -> None:
        """End the connection as a crash does."""
        assert self._client
        self._client.close()
        self._client = None
        self._received = b""

    def close(self) -> None:
        if self._client:
            self.drop()
        self._listener.close()

    def _receive_more(self) -> bool:
        assert self._client
        self._until_readable(self._client)
        data = self._client.recv(65536)
        self._received += data
        return bool(data)

    def _until_readable(self, readable: socket.socket) -> None:
        wait_for(lambda: select.select([readable], [], [], 0)[0], "something to be sent", self.turn)


def message(sender: str, text: str, dm: str | None = None, date: str = "") -> dict[str, object]:
    """Give a message frame as a server sends it."""
    return {"message": text, "dm": dm, "sender": sender, "length": len(text), "date": date}


# People.


class Person:
    """Somebody in the room, over a blocking socket."""

    def __init__(self, port: int, name: str) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self._socket.settimeout(PATIENCE)
        self._connection = ClientConnection()
        self.heard: list[ServerMessage] = []
        self.told_to_go = False
        self._connection.join(name)
        self._flush()
        self.hear_until(lambda: self._connection.state is ClientState.JOINED)

    def say(self, text: str, dm: str | None = None) -> None:
        self._connection.say(text, dm)
        self._flush()

    def hear(self, text: str) -> ServerMessage:
        """Wait until ``text`` was said; give that message."""
        self.hear_until(lambda: any(each.message == text for each in self.heard))
        return next(each for each in self.heard if each.message == text)

    def hear_until(self, met: Callable[[], object]) -> None:
        while not met():
            data = self._socket.recv(65536)
            assert data, "the connection ended"
            for event in self._connection.receive_data(data):
                if isinstance(event, ServerMessage):
                    self.heard.append(event)
                self.told_to_go |= isinstance(event, Disconnect)

    def leaves_of(self, name: str) -> int:
        """Count the leaves announced so far."""
        return sum(each.announces_leave and each.sender == name for each in self.heard)

    def leave(self) -> None:
        if self._connection.state is ClientState.JOINED:
            self._connection.leave()
            # The server may have gone before.
            with contextlib.suppress(OSError, AssertionError):
                self._flush()
                self.hear_until(lambda: self.told_to_go)
        self._socket.close()

    def _flush(self) -> None:
        self._socket.sendall(self._connection.data_to_send())


# The window.


class Gui:
    """A window in this process, under the test's eyes, with real keys and a real mouse."""

    def __init__(
        self,
        display: str,
        port: int,
        name: str,
        palette: Palette = LIGHT,
        *,
        emoji: bool = True,
        dots_per_inch: float = 96,
    ) -> None:
        self.display = display
        self.faults: list[BaseException] = []
        self.root = open_root(display)
        self.root.tk.call("tk", "scaling", dots_per_inch / 72)
        self.root.report_callback_exception = lambda _t, fault, _tb: self.faults.append(fault)
        self.session = Session(Address("127.0.0.1", port), name)
        self.window = ChatWindow(self.root, self.session, palette, emoji=emoji)
        self.compose = self.window.compose
        self.view = self.window.messages
        self.window.start()

    def turn(self) -> None:
        """Let Tk do what there is to do."""
        if not self.gone:
            self.root.update()
        assert not self.faults, self.faults

    @property
    def gone(self) -> bool:
        """Whether the window has closed itself."""
        try:
            return not self.root.winfo_exists()
        except tk.TclError:
            return True

    def until(self, met: Callable[[], object], what: str) -> None:
        wait_for(met, what, self.turn)

    def until_phase(self, phase: Phase) -> None:
        self.until(lambda: self.session.phase is phase, f"{phase}")

    def until_shown(self, text: str) -> None:
        self.until(lambda: text in self.shown(), repr(text))

    def until_seen(self) -> None:
        """Wait until the window is mapped, and has the keyboard."""
        self.until(self.compose.entry.winfo_viewable, "the window")
        self.root.focus_force()
        self.compose.entry.focus_force()
        self.until(lambda: self.root.focus_get() is self.compose.entry, "the focus")

    def shown(self) -> str:
        return self.view.text.get("1.0", "end-1c")

    def lines(self) -> list[str]:
        return self.shown().split("\n")

    def do(self, *xdotool: str) -> None:
        """Have xdotool act on the display."""
        environment = {**os.environ, "DISPLAY": self.display}
        subprocess.run([need("xdotool"), *xdotool], env=environment, check=True, timeout=PATIENCE)

    def type(self, text: str) -> None:
        self.do("type", "--delay", "1", text)

    def press(self, *keys: str) -> None:
        self.do("key", "--delay", "1", *keys)

    def click(self, widget: tk.Misc, x: int, y: int, *, times: int = 1) -> None:
        """Click with the mouse at a place within a widget."""
        self.root.update_idletasks()
        at = [str(widget.winfo_rootx() + x), str(widget.winfo_rooty() + y)]
        self.do("mousemove", *at, "click", "--repeat", str(times), "--delay", "5", "1")

    def resize(self, width: int, height: int) -> None:
        self.root.geometry(f"{width}x{height}")
        wanted = (width, height)
        self.until(
            lambda: (self.root.winfo_width(), self.root.winfo_height()) == wanted, "the size"
        )

    def send(self, text: str) -> None:
        """Send as Enter does."""
        self.compose.entry.delete(0, "end")
        self.compose.entry.insert(0, text)
        self.compose.submit()

    def close(self) -> None:
        """Leave, and wait for the end."""
        if not self.gone:
            self.window.leave()
            self.until(lambda: self.gone, "the window's end")
        self.session.settle(PATIENCE)
        assert not self.faults, self.faults


def collect() -> None:
    """Collect closed windows now, in the main thread: Tcl aborts when another thread does."""
    gc.collect()


# Other processes' windows.


def close_by_window_manager(display: str, window: int) -> None:
    """Ask a window to close, the way a window manager does when its X is clicked."""
    library = ctypes.util.find_library("X11")
    assert library
    x11 = ctypes.CDLL(library)
    x11.XOpenDisplay.restype = ctypes.c_void_p
    x11.XInternAtom.restype = ctypes.c_ulong

    class ClientMessage(ctypes.Structure):
        _fields_ = (
            ("type", ctypes.c_int),
            ("serial", ctypes.c_ulong),
            ("send_event", ctypes.c_int),
            ("display", ctypes.c_void_p),
            ("window", ctypes.c_ulong),
            ("message_type", ctypes.c_ulong),
            ("format", ctypes.c_int),
            ("data", ctypes.c_long * 5),
            ("rest_of_the_union", ctypes.c_long * 24),
        )

    connection = ctypes.c_void_p(x11.XOpenDisplay(display.encode()))
    atoms = [
        x11.XInternAtom(connection, name, False) for name in (b"WM_PROTOCOLS", b"WM_DELETE_WINDOW")
    ]
    event = ClientMessage(type=33, window=window, message_type=atoms[0], format=32)
    event.data[0] = atoms[1]
    assert x11.XSendEvent(connection, ctypes.c_ulong(window), False, 0, ctypes.byref(event))
    x11.XCloseDisplay(connection)


def set_desktop_resolution(display: str, dots_per_inch: int) -> None:
    """Set what a desktop sets when its user chooses a resolution."""
    library = ctypes.util.find_library("X11")
    assert library
    x11 = ctypes.CDLL(library)
    x11.XOpenDisplay.restype = ctypes.c_void_p
    x11.XDefaultRootWindow.restype = ctypes.c_ulong
    connection = ctypes.c_void_p(x11.XOpenDisplay(display.encode()))
    root = ctypes.c_ulong(x11.XDefaultRootWindow(connection))
    resource_manager, string = ctypes.c_ulong(23), ctypes.c_ulong(31)
    value = f"Xft.dpi:\t{dots_per_inch}\n".encode()
    x11.XChangeProperty(connection, root, resource_manager, string, 8, 0, value, len(value))
    x11.XCloseDisplay(connection)


def client_command(port: int, name: str, *options: str) -> list[str]:
    """Give the command line of a client in a process of its own."""
    command = [sys.executable, "-m", "chatroom_reference.client", name, "--port", str(port)]
    return [*command, *options]
