"""Servers for the suite to test, in processes of their own, and the suite's own command."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ORIGINAL = f"{sys.executable} {HERE / 'original_server.py'} {{port}}"
REFERENCE = f"{sys.executable} -m chatroom_reference.server --port {{port}}"
SECONDS = 60.0


def suite(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command; its output as text."""
    return subprocess.run(
        [sys.executable, "-m", "chatroom_conformance", *arguments],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
        env={**os.environ, "NO_COLOR": "1", **environment},
    )


@contextlib.contextmanager
def reference(*arguments: str, log: Path | None = None) -> Iterator[str]:
    """The reference server on a free port: its address. It has ended when this has."""
    command = [sys.executable, "-m", "chatroom_reference.server", "--port", "0", *arguments]
    with (log or Path(os.devnull)).open("wb") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
        try:
            assert process.stdout
            line = process.stdout.readline()
            assert line.startswith("listening on "), line
            yield line.removeprefix("listening on ").strip()
        finally:
            process.terminate()
            process.communicate(timeout=SECONDS)


@pytest.fixture
def listen() -> Iterator[Callable[[], tuple[socket.socket, str]]]:
    """A function that gives a listening socket and its address."""
    with contextlib.ExitStack() as stack:

        def begin() -> tuple[socket.socket, str]:
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            return listener, f"127.0.0.1:{listener.getsockname()[1]}"

        yield begin
