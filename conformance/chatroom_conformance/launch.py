"""Servers that the suite starts itself: the reference server, or any command."""

from __future__ import annotations

import contextlib
import shlex
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from typing import IO

_STOP_SECONDS = 5.0
_POLL_SECONDS = 0.02


class LaunchError(Exception):
    """The command can't be started, or never listens; the sentence says which."""


#: Starts the reference server; it is a program of its own, and no module of it is imported.
REFERENCE = f"{shlex.quote(sys.executable)} -m chatroom_reference.server --port {{port}}"


@contextlib.contextmanager
def running(template: str, within: float) -> Iterator[socket.socket]:
    """Start a command, `{port}` in it replaced by a free port; gives a connection to it.

    The connection has to be used: there are servers that die when one just ends.

    It is stopped at the end, by SIGTERM, and by SIGKILL when that doesn't help.

    Raises:
        LaunchError: it can't be started, or nothing listens on the port within that many seconds.
    """
    if "{port}" not in template:
        raise LaunchError(f"the command {template!r} has no {{port}}: it has to be told its port")
    port = _free_port()
    try:
        words = [word.replace("{port}", str(port)) for word in shlex.split(template)]
    except ValueError as error:
        raise LaunchError(f"the command {template!r} can't be read: {error}") from error
    with tempfile.TemporaryFile() as log:
        process = _start(words, log)
        try:
            yield _connected(process, port, within, log)
        finally:
            _stop(process)


def _start(words: Sequence[str], log: IO[bytes]) -> subprocess.Popen[bytes]:
    try:
        # Its own process group, so that Ctrl-C reaches the suite alone and everybody can leave.
        return subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    except OSError as error:
        raise LaunchError(f"cannot start {words[0]}: {error.strerror or error}") from error


def _connected(
    process: subprocess.Popen[bytes], port: int, within: float, log: IO[bytes]
) -> socket.socket:
    deadline = time.monotonic() + within
    while process.poll() is None:
        with contextlib.suppress(OSError):
            return socket.create_connection(("127.0.0.1", port), within)
        if time.monotonic() > deadline:
            raise LaunchError(f"nothing listens on port {port} after {within:g} s")
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_POLL_SECONDS)
    log.seek(0)
    lines = log.read().decode(errors="replace").strip().splitlines()
    last = f": {lines[-1]}" if lines else ""
    raise LaunchError(f"the server ended at once with exit status {process.returncode}{last}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
