"""The examples run, talk to each other, and are what the package's README shows."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
README = ROOT / "chatroom_protocol" / "README.md"
EXAMPLES = ROOT / "examples"
PATIENCE = 30


class Program:
    """An example that runs; its output is read line by line, and a dead one has an end."""

    def __init__(self, name: str, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-X", "dev", str(EXAMPLES / name), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env={"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8", "PATH": ""},
        )

    def line(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline().rstrip("\n")

    def type(self, text: str) -> None:
        assert self.process.stdin
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()

    def end(self) -> tuple[int, str, str]:
        """End the input; give the exit status and what else was printed."""
        out, error = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, out, error


@contextmanager
def running(name: str, *arguments: str) -> Iterator[Program]:
    program = Program(name, *arguments)
    try:
        yield program
    finally:
        program.process.kill()
        program.process.communicate()


@contextmanager
def serving() -> Iterator[tuple[Program, str]]:
    with running("asyncio_server.py", "0") as server:
        found = re.fullmatch(r"listening on 127\.0\.0\.1:(\d+)", server.line())
        assert found
        yield server, found[1]


OPEN: list[Raw] = []


@pytest.fixture(autouse=True)
def close_what_is_open() -> Iterator[None]:
    yield
    while OPEN:
        OPEN.pop().close()


class Raw:
    """A socket that reads frames as lines."""

    def __init__(self, port: str) -> None:
        self.socket = socket.create_connection(("127.0.0.1", int(port)), timeout=PATIENCE)
        self.file = self.socket.makefile("rb")
        OPEN.append(self)

    def close(self) -> None:
        self.file.close()
        self.socket.close()

    def send(self, **members: Any) -> None:
        self.socket.sendall(json.dumps(members).encode())

    def frame(self) -> Any:
        octets = self.file.readline()
        return json.loads(octets) if octets else None


def joined(port: str, name: str) -> Raw:
    raw = Raw(port)
    raw.send(username=name)
    assert raw.frame() == {"isConnected": True, "errorCode": -1}
    return raw


def test_server_and_client_talk() -> None:
    with serving() as (_, port), running("asyncio_client.py", "alice", port) as alice:
        assert alice.line() == "joined"
        bob = joined(port, "bob")
        assert alice.line() == "bob: User has connected"
        alice.type("grüße")
        assert bob.frame()["message"] == "grüße"
        alice.type("/msg bob just for you")
        frame = bob.frame()
        assert (frame["message"], frame["dm"]) == ("just for you", "bob")
        bob.send(message="psst\x1b[2J", dm="alice")
        assert alice.line() == "bob (private): psst [2J"
        alice.type("/msg nobody hello?")
        assert alice.line().startswith("server: The message was not delivered")
        alice.type("x" * 5000)
        bob.send(message="fence")
        assert alice.line() == "bob: fence"
        status, out, error = alice.end()
        assert (status, out) == (0, "Disconnect\n")
        assert re.fullmatch(r"not sent: this takes [\d,]+ octets, and .* can be sent\n", error)
        assert bob.frame()["message"] == "alice is offline\n"


def test_the_client_says_why_it_could_not_join() -> None:
    with serving() as (_, port):
        bob = joined(port, "bob")
        for name, words, status in (
            ("bob", "the server refused: code 1\n", 0),
            (" bob", "a username does not begin or end with white space\n", 1),
        ):
            with running("asyncio_client.py", name, port) as client:
                ended, out, error = client.end()
                assert (ended, out + error) == (status, words)
        assert bob.socket.fileno() > 0


def test_the_client_says_that_nobody_listens() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with running("asyncio_client.py", "a", str(unused.getsockname()[1])) as client:
            status, _, error = client.end()
    assert status == 1
    assert "Traceback" not in error
    assert "refused" in error or "Connect call failed" in error


def test_the_server_closes_after_a_violation_and_a_disconnect() -> None:
    with serving() as (_, port):
        watcher = joined(port, "watcher")
        for octets, last in (
            (b"x", {"disconnect": True}),
            (b'{"disconnect":true}', {"disconnect": True}),
        ):
            raw = joined(port, "a")
            assert watcher.frame()["message"] == "User has connected"
            raw.socket.sendall(octets)
            frames = list(iter(raw.frame, None))
            assert frames[-1] == last
            assert watcher.frame()["message"] == "a is offline\n"


def test_a_reset_and_a_half_close_are_leaves() -> None:
    with serving() as (_, port):
        watcher = joined(port, "watcher")
        reset, half = joined(port, "reset"), joined(port, "half")
        assert [watcher.frame()["sender"] for _ in range(2)] == ["reset", "half"]
        reset.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        reset.close()
        assert watcher.frame()["message"] == "reset is offline\n"
        half.send(message="last words")
        half.socket.shutdown(socket.SHUT_WR)
        assert [watcher.frame()["message"] for _ in range(2)] == ["last words", "half is offline\n"]


def test_who_does_not_read_is_cut_off_and_delays_nobody() -> None:
    with serving() as (_, port):
        deaf, talker, watcher = joined(port, "deaf"), joined(port, "talker"), joined(port, "w")
        text = "x" * 30000
        heard = 0
        for _ in range(1000):
            talker.send(message=text)
            while (frame := watcher.frame())["message"] != text:
                heard += frame["message"] == "deaf is offline\n"
            if heard:
                break
        assert heard == 1
        assert deaf.socket.fileno() > 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_server_says_goodbye(number: signal.Signals) -> None:
    with serving() as (server, port):
        alice, silent = joined(port, "alice"), Raw(port)
        server.process.send_signal(number)
        assert alice.frame() == {"disconnect": True}
        assert alice.frame() is None
        assert silent.frame() is None
        alice.close()
        assert server.end() == (0, "", "")


def test_the_server_passes_the_conformance_suite() -> None:
    """All cases but the vectors, which the room passes elsewhere."""
    command = f"{sys.executable} {EXAMPLES / 'asyncio_server.py'} {{port}}"
    suite = [sys.executable, "-m", "chatroom_conformance", "--exec", command]
    done = subprocess.run(
        [*suite, "--skip", "vectors*", "--timeout-scale", "3"],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert done.stdout.splitlines()[-1].startswith("CONFORMANT ")


def blocks(language: str) -> list[str]:
    text = README.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_the_readme_shows_the_examples_as_they_are(path: Path) -> None:
    code = path.read_text(encoding="utf-8")
    assert code in blocks("python")
    assert len(code.splitlines()) < 60


def test_every_other_block_of_the_readme_runs() -> None:
    programs = {path.read_text(encoding="utf-8") for path in EXAMPLES.glob("*.py")}
    others = [code for code in blocks("python") if code not in programs]
    assert len(others) > 3
    names: dict[str, Any] = {"__name__": "readme"}
    for code in others:
        exec(compile(code, "<README>", "exec"), names)
    names["test_their_parser"]()


def test_the_readme_names_every_public_method() -> None:
    import chatroom_protocol as package

    text = README.read_text(encoding="utf-8")
    for kind in (package.ClientConnection, package.ServerConnection, package.Room):
        for name in vars(kind):
            assert name.startswith("_") or f"`{name}" in text or f".{name}" in text, name
