"""The servers that are measured, and the generator that measures them, all on 127.0.0.1."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from attrs import frozen

Report = dict[str, Any]
# Of a generator's life, with the turns of others; a guard against hanging.
_LIMIT_SECONDS = "400"
HERE = Path(__file__).parent
CEILING, NGIRCD, OURS = "ceiling", "ngircd", "chatroom"
# Debian installs it where only root looks for commands.
_NGIRCD = shutil.which("ngircd", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
_NGIRCD_CONFIGURATION = """\
[Global]
Name = irc.bench.local
Info = benchmark
Listen = 127.0.0.1
Ports = {port}
[Limits]
MaxConnections = 0
MaxConnectionsIP = 0
MaxJoins = 0
MaxPenaltyTime = 0
[Options]
DNS = no
Ident = no
PAM = no
[Channel]
Name = #room
"""


class BenchmarkError(Exception):
    """Something is missing; the message says what."""


def build(folder: Path) -> None:
    """Compile the generator and the ceiling into ``folder``."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise BenchmarkError("a C compiler (cc) is needed for the generator")
    for name in ("load", "fanout"):
        subprocess.run(
            [compiler, "-O2", "-o", str(folder / name), str(HERE / f"{name}.c")], check=True
        )


def available() -> list[str]:
    """Return the contenders that can be started here."""
    return [CEILING, NGIRCD, OURS] if _NGIRCD else [CEILING, OURS]


def _free_port() -> int:
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def _command(name: str, folder: Path, options: list[str]) -> tuple[list[str], int]:
    if name == OURS:
        module = [sys.executable, "-m", "chatroom_reference.server"]
        return [*module, "--port", "0", "--log-level", "error", *options], 0
    port = _free_port()
    if name == CEILING:
        return [str(folder / "fanout"), str(port)], port
    configuration = folder / "ngircd.conf"
    configuration.write_text(_NGIRCD_CONFIGURATION.format(port=port))
    assert _NGIRCD is not None
    return [_NGIRCD, "--nodaemon", "--config", str(configuration)], port


@contextmanager
def running(name: str, folder: Path, *options: str) -> Iterator[tuple[int, int]]:
    """Run a contender; give its port and its process id."""
    command, port = _command(name, folder, list(options))
    # ngircd tells a lot, and stops if nobody takes it.
    stdout = subprocess.PIPE if name == OURS else subprocess.DEVNULL
    with subprocess.Popen(command, stdout=stdout, stderr=subprocess.DEVNULL) as server:
        try:
            if server.stdout is not None:
                line = server.stdout.readline().decode()
                port = int(line.rpartition(":")[2])
            else:
                _wait_until_listening(port, server)
            yield port, server.pid
        finally:
            server.terminate()
            try:
                server.wait(10)
            except subprocess.TimeoutExpired:
                server.kill()


def _wait_until_listening(port: int, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and server.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise BenchmarkError(f"{server.args!r} does not listen")


@frozen
class Side:
    """One of those who are compared: its name in the table, and options for the generator."""

    name: str
    contender: str
    arguments: tuple[str, ...]


@contextmanager
def _generator(side: Side, folder: Path, phases: Sequence[str]) -> Iterator[subprocess.Popen[str]]:
    with running(side.contender, folder) as (port, pid):
        command = [str(folder / "load"), str(port), "--pid", str(pid), "--in-turn"]
        command += ["--limit", _LIMIT_SECONDS, *side.arguments, *phases]
        if side.contender == NGIRCD:
            command.append("--irc")
        pipe = subprocess.PIPE
        with subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=pipe, text=True
        ) as generator:
            try:
                yield generator
            finally:
                generator.kill()


def measure(sides: Iterable[Side], folder: Path, phases: Sequence[str]) -> dict[str, Report]:
    """Load all sides, phase by phase in turn; return the generator's reports by side.

    The speed of a machine drifts from one second to the next, so what is to be compared has to be
    measured next to each other; a server without a turn only waits.
    """
    with ExitStack() as stack:
        generators = {}
        for side in sides:
            generators[side] = stack.enter_context(_generator(side, folder, phases))
            _wait_until_ready(generators[side])
        for _ in phases:
            for generator in generators.values():
                _give_a_turn(generator)
        return {side.name: _report(generator) for side, generator in generators.items()}


def _wait_until_ready(generator: subprocess.Popen[str]) -> None:
    assert generator.stderr is not None
    error = generator.stderr.readline().strip()
    if error:
        raise BenchmarkError(f"the generator failed: {error}")


def _go_on(generator: subprocess.Popen[str]) -> None:
    assert generator.stdin is not None
    with suppress(BrokenPipeError):  # it has given up; its report says why
        # Past the buffer, which would try again when it is closed.
        os.write(generator.stdin.fileno(), b"\n")


def _give_a_turn(generator: subprocess.Popen[str]) -> None:
    _go_on(generator)
    _wait_until_ready(generator)


def _report(generator: subprocess.Popen[str]) -> Report:
    _go_on(generator)
    output, error = generator.communicate()
    if not output:
        raise BenchmarkError(f"the generator failed: {error.strip()}")
    report: Report = json.loads(output)
    report["right"] = generator.returncode == 0
    return report


@contextmanager
def workshop() -> Iterator[Path]:
    """Give a folder with the compiled programs."""
    with tempfile.TemporaryDirectory(prefix="chatroom-bench-") as name:
        folder = Path(name)
        build(folder)
        yield folder
