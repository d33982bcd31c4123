"""A log that nobody reads costs nobody in the room anything."""

from __future__ import annotations

import json
import logging
import signal
import threading

from chatroom_reference.server.log import BackgroundHandler, JsonFormatter
from tests.server.harness import PATIENCE, Process

# More than any pipe holds: each line is longer than its name of 60 characters.
LINES = 2000


def test_a_room_goes_on_while_its_log_is_not_read() -> None:
    process = Process("--log-level", "debug")
    try:
        alice, bob = process.connect().join("alice"), process.connect().join("bob")
        alice.hears_of("bob")
        for _ in range(LINES):
            alice.send({"message": "x", "dm": "n" * 60})
            assert alice.frame()["sender"] == ""
        alice.say("still here")
        bob.hears("alice", "still here")
        process.child.send_signal(signal.SIGTERM)
        assert process.child.wait(PATIENCE) == 0
    finally:
        process.end()


def test_what_is_dropped_is_counted() -> None:
    gate, lines = threading.Event(), list[str]()

    def write(line: str) -> None:
        assert gate.wait(PATIENCE)
        lines.append(line)

    handler = BackgroundHandler(write, most=3)
    handler.setFormatter(JsonFormatter())
    for _ in range(10):
        handler.handle(logging.LogRecord("x", logging.INFO, "", 0, "joined", None, None))
    gate.set()
    handler.close()
    events = [json.loads(line) for line in lines]
    (dropped,) = [event["lines"] for event in events if event["event"] == "log-dropped"]
    assert dropped == 10 - sum(event["event"] == "joined" for event in events)
