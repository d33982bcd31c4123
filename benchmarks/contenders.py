"""The servers that are measured, and the generator that measures them, all on 127.0.0.1."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

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


def measure(name: str, folder: Path, arguments: list[str], *options: str) -> dict[str, Any]:
    """Start a contender, load it, and return the generator's report."""
    with running(name, folder, *options) as (port, pid):
        command = [str(folder / "load"), str(port), "--pid", str(pid), *arguments]
        if name == NGIRCD:
            command.append("--irc")
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    if not done.stdout:
        raise BenchmarkError(f"the generator failed: {done.stderr.strip()}")
    report: dict[str, Any] = json.loads(done.stdout)
    report["right"] = done.returncode == 0
    return report


@contextmanager
def workshop() -> Iterator[Path]:
    """Give a folder with the compiled programs."""
    with tempfile.TemporaryDirectory(prefix="chatroom-bench-") as name:
        folder = Path(name)
        build(folder)
        yield folder
