"""The log: one line an event, on stderr, as text or as JSON.

Peers choose their names and addresses, so every value is written as a JSON string in ASCII: it
can't forge a line or a field, nor send an escape sequence to a terminal. What people say is never
logged, and neither are the sentences that may quote it: only their codes are.

Lines are written by a thread of their own, so that whoever reads the log slowly, or not at all,
holds up nobody in the room. What waits for it is bounded; what is dropped is counted.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import queue
import threading
import traceback
from collections.abc import Callable
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from chatroom_protocol.room import Action, Joined, Left, Refused, Rejected, Violated

if TYPE_CHECKING:
    from chatroom_reference.server.peer import Peer

MAX_LINES_WAITING = 10_000
# How long the end of the program waits for the last lines to be taken.
FLUSH_SECONDS = 1.0

LEVELS = ("debug", "info", "warning", "error")
FORMATS = ("text", "json")


def _quoted(value: object) -> str:
    return json.dumps(value).replace("\x7f", "\\u007f")


class _Formatter(logging.Formatter):
    """Write the record's event and fields after its time (RFC 3339, UTC) and level."""

    def _parts(self, record: logging.LogRecord) -> tuple[str, dict[str, Any]]:
        at = datetime.fromtimestamp(record.created, timezone.utc)
        return at.isoformat(timespec="milliseconds"), getattr(record, "fields", {})


class TextFormatter(_Formatter):
    """``TIME LEVEL EVENT name=value ...``."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line without its end."""
        at, fields = self._parts(record)
        pairs = "".join(f" {name}={_quoted(value)}" for name, value in fields.items())
        return f"{at} {record.levelname.lower()} {record.getMessage()}{pairs}"


class JsonFormatter(_Formatter):
    """``{"time": ..., "level": ..., "event": ..., ...}``."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line without its end."""
        at, fields = self._parts(record)
        head = {"time": at, "level": record.levelname.lower(), "event": record.getMessage()}
        return _quoted(head | fields)


class BackgroundHandler(logging.Handler):
    """Writes every record in a thread of its own, and never makes its caller wait."""

    def __init__(self, write: Callable[[str], object], most: int = MAX_LINES_WAITING) -> None:
        super().__init__()
        self._write = write
        self._waiting: queue.Queue[logging.LogRecord | None] = queue.Queue(most)
        self._dropped = 0
        self._thread: threading.Thread | None = threading.Thread(
            target=self._work, name="log", daemon=True
        )
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Leave the record to the thread; drop it if too many wait."""
        try:
            self._waiting.put_nowait(record)
        except queue.Full:
            self._dropped += 1

    def close(self) -> None:
        """Wait for the lines that are left, for a bounded time; once."""
        thread, self._thread = self._thread, None
        if thread:
            try:
                self._waiting.put(None, timeout=FLUSH_SECONDS)
                thread.join(FLUSH_SECONDS)
            except queue.Full:
                pass  # nobody reads the log, so nobody misses its end
            super().close()

    def _work(self) -> None:
        while (record := self._waiting.get()) is not None:
            if self._dropped:
                self.acquire()  # as whoever calls `emit` does
                dropped, self._dropped = self._dropped, 0
                self.release()
                note = _record(logging.WARNING, "log-dropped", lines=dropped)
                self._write(self.format(note) + "\n")
            self._write(self.format(record) + "\n")


def _write_to_stderr(line: str) -> None:
    """Write all of it, past Python's own stderr.

    Python takes the lock of its own at exit, and would find it held by a write that waits.
    """
    data = line.encode("ascii")
    with contextlib.suppress(OSError):  # a log that was closed is no reason to stop
        while data:
            data = data[os.write(2, data) :]


def _record(level: int, name: str, **fields: object) -> logging.LogRecord:
    record = logging.LogRecord("chatroom_reference.server", level, "", 0, name, None, None)
    record.fields = fields
    return record


_ACTIONS: dict[type[object], tuple[int, str]] = {
    Joined: (logging.INFO, "joined"),
    Left: (logging.INFO, "left"),
    Violated: (logging.WARNING, "violated"),
    Rejected: (logging.DEBUG, "rejected"),
}


class EventLog:
    """What happened, in the terms of the room."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger

    def close(self) -> None:
        """Write what waits, for a bounded time."""
        for handler in self._logger.handlers:
            handler.close()

    def event(self, level: int, name: str, **fields: object) -> None:
        """Log ``name``, which is ours, with ``fields``, which may be anybody's."""
        self._logger.log(level, name, extra={"fields": fields})

    def failure(self, name: str, about: Peer | None) -> None:
        """Log the exception that is being handled."""
        address = about.address if about else None
        self.event(logging.ERROR, name, address=address, traceback=traceback.format_exc())

    def action(self, action: Action[int], address: str) -> None:
        """Log one of the room's actions that exist for this; ``address`` is the connection's."""
        if isinstance(action, Refused):
            self.event(logging.INFO, "refused", address=address, code=int(action.code))
            return
        if not isinstance(action, Joined | Left | Violated | Rejected):
            return
        level, name = _ACTIONS[type(action)]
        fields = {"address": address, "username": action.username}
        if isinstance(action, Left):
            fields["reason"] = action.reason.value
        elif isinstance(action, Violated | Rejected):
            fields["code"] = action.code.value
        self.event(level, name, **fields)


def open_log(level: str, form: str) -> EventLog:
    """Return a log on stderr; ``level`` is one of LEVELS, ``form`` one of FORMATS."""
    # Asking for the thread's name would make an object for every reader.
    logging.logThreads = False
    handler = BackgroundHandler(_write_to_stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    logger = logging.getLogger("chatroom_reference.server")
    logger.handlers = [handler]
    logger.propagate = False
    logger.setLevel(level.upper())
    return EventLog(logger)
