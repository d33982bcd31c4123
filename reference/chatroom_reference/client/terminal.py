"""A terminal or a pipe: lines in, lines out, and a prompt that arrivals do not break."""

from __future__ import annotations

import codecs
import contextlib
import importlib
import os
import queue
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

_CHUNK = 65536
_MOST_LINES = 256
_ERASE_LINE = "\r\x1b[K"


class Terminal:
    """Standard input and output.

    Args:
        wake: called from the reading thread when there is a line, or the end, to take.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        self.interactive = sys.stdin.isatty() and sys.stdout.isatty()
        self.coloured = (
            sys.stdout.isatty()
            and not os.environ.get("NO_COLOR")
            and os.environ.get("TERM", "") not in ("", "dumb")
        )
        self.at_end = False
        self.closed = False
        self._wake = wake
        # Bounded: a pipe that has much to say waits until it is said.
        self._lines: queue.Queue[str | None] = queue.Queue(_MOST_LINES)
        # One line at a time is asked for, so that its prompt is the right one.
        self._go_on = threading.Semaphore(0)
        self._prompt = ""
        self._asking = False
        # What a terminal's character set lacks is written as an escape of Python's.
        if hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(errors="backslashreplace")
        self._readline = _line_editor() if self.interactive else None
        read = self._read_terminal if self.interactive else self._read_pipe
        threading.Thread(target=read, name="chatroom-input", daemon=True).start()

    def lines(self) -> list[str]:
        """Take the lines that came since.

        ``at_end`` says that no more will come, ``closed`` that nobody reads the output.
        """
        taken: list[str] = []
        with contextlib.suppress(queue.Empty):
            while True:
                line = self._lines.get_nowait()
                self._asking = False
                if line is None:
                    self.at_end = True
                else:
                    taken.append(line)
        return taken

    def ask(self, prompt: str) -> None:
        """Show the prompt, if there is a person and it does not stand there already."""
        if self.interactive and not self._asking and not self.at_end:
            self._prompt, self._asking = prompt, True
            self._go_on.release()

    def show(self, text: str) -> None:
        """Write a line of output above what is being typed."""
        if self._asking:
            text = f"{_ERASE_LINE}{text}\n{self._prompt}{self._typed()}"
        else:
            text += "\n"
        try:
            sys.stdout.write(text)
            sys.stdout.flush()
        except BrokenPipeError:
            self.closed = True
            # What is still buffered must not fail again when Python flushes it at its exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    def _typed(self) -> str:
        return str(self._readline.get_line_buffer()) if self._readline else ""

    # From here on: the reading thread.

    def _read_terminal(self) -> None:
        with contextlib.suppress(EOFError, OSError):
            while True:
                self._go_on.acquire()
                self._give(input(self._prompt))
        self._give(None)

    def _read_pipe(self) -> None:
        # Not sys.stdin: a thread that waits for it holds a lock which Python's exit wants.
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        rest = ""
        with contextlib.suppress(OSError):
            while data := os.read(sys.stdin.fileno(), _CHUNK):
                *lines, rest = (rest + decoder.decode(data)).split("\n")
                for line in lines:
                    self._give(line.removesuffix("\r"))
        rest += decoder.decode(b"", final=True)
        if rest:
            self._give(rest)
        self._give(None)

    def _give(self, line: str | None) -> None:
        self._lines.put(line)
        self._wake()


def _line_editor() -> Any:
    """Give Python's readline, which ``input`` uses once it is imported; None where it lacks."""
    try:
        return importlib.import_module("readline")
    except ImportError:
        return None


@contextlib.contextmanager
def settings_kept() -> Iterator[None]:
    """Put the terminal's settings back at the end: a line may still be half read then."""
    try:
        import termios

        kept = termios.tcgetattr(0)
    except (ImportError, OSError, termios.error):
        yield
        return
    try:
        yield
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, kept)
