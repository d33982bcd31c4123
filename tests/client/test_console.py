"""The client in pipes and on a terminal, against real servers."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import select
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme

from tests.client.support import (
    PATIENCE,
    OriginalServer,
    Person,
    RealServer,
    ScriptedServer,
    client_command,
    message,
)

Join = Callable[[int, str], Person]


def run(
    port: int, name: str, *options: str, said: str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a client whose input is a pipe, to its end."""
    return subprocess.run(
        client_command(port, name, "--console", *options),
        input=said,
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE,
        env={**os.environ, **environment},
        check=False,
    )


class Piped:
    """A client whose input and output are pipes, while it runs."""

    def __init__(self, port: int, name: str, *options: str) -> None:
        self.process = subprocess.Popen(
            client_command(port, name, "--console", *options),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )

    def read(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline().rstrip("\n")

    def write(self, text: str) -> None:
        assert self.process.stdin
        self.process.stdin.write(text)
        self.process.stdin.flush()

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert stream
            with contextlib.suppress(BrokenPipeError):
                stream.close()

    def end(self) -> tuple[int, str, str]:
        # Not "communicate" at once: it closes the input, which is a way to leave.
        self.process.wait(PATIENCE)
        out, err = self.process.communicate()
        return self.process.returncode, out, err


@pytest.fixture
def piped() -> Iterator[Callable[..., Piped]]:
    started: list[Piped] = []

    def start(*arguments: object) -> Piped:
        started.append(Piped(*arguments))  # type: ignore[arg-type]
        return started[-1]

    yield start
    for each in started:
        each.close()


def without_time(line: str) -> str:
    assert re.match(r"\d\d:\d\d ", line), line
    return line[6:]


def test_a_conversation_in_a_pipe(
    server: RealServer, person: Join, piped: Callable[..., Piped]
) -> None:
    ben = person(server.port, "ben")
    ada = piped(server.port, "ada")
    assert without_time(ada.read()) == f"* Connected to 127.0.0.1:{server.port} as ada."
    assert without_time(ada.read()) == "* Here already: ben."
    ada.write("hello\n/msg ben psst\n\n//me\n")
    assert ben.hear("hello").dm is None
    assert ben.hear("psst").dm == "ben"
    ben.hear("/me")
    for said in ("ada: hello", "[private] ada to ben: psst", "ada: /me"):
        assert without_time(ada.read()) == said
    ben.say("\x1b[2Jgot it\n12:00 eve: forged")
    assert without_time(ada.read()) == "ben: ‹U+001B›[2Jgot it"
    assert ada.read() == "      12:00 eve: forged"
    ada.write("/msg ben\nstill you\n/msg\nall again\n/quit\nnot said\n")
    assert ben.hear("still you").dm == "ben"
    assert ben.hear("all again").dm is None
    ben.hear("ada is offline\n")
    status, _, err = ada.end()
    assert (status, err) == (0, "")
    assert all(each.message != "not said" for each in ben.heard)


def test_all_of_a_pipe_is_said_before_leaving(server: RealServer, person: Join) -> None:
    ben = person(server.port, "ben")
    texts = [f"line {number} grüße 😀" for number in range(500)]
    done = run(server.port, "ada", said="\n".join(texts))
    assert (done.returncode, done.stderr) == (0, "")
    ben.hear("ada is offline\n")
    assert [each.message for each in ben.heard if each.message.startswith("line")] == texts
    shown = [without_time(line) for line in done.stdout.splitlines() if "ada: " in line]
    assert shown == [f"ada: {text}" for text in texts]


def test_what_cannot_be_said_is_explained(server: RealServer) -> None:
    done = run(server.port, "ada", said=f"/nonsense\n{'x' * 5000}\n")
    assert done.returncode == 0
    command, too_long = done.stderr.splitlines()
    assert "no command /nonsense" in command
    assert "4,096" in too_long


def failure(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 1
    assert done.stdout == ""
    start = "chatroom-ref-client: "
    assert done.stderr.startswith(start)
    assert done.stderr.count("\n") == 1
    return done.stderr[len(start) : -1]


def test_a_taken_name(server: RealServer, person: Join) -> None:
    person(server.port, "twin")
    sentence = failure(run(server.port, "twin"))
    assert sentence == f'The name "twin" is taken at 127.0.0.1:{server.port}; choose another.'


def test_a_bad_name(server: RealServer) -> None:
    sentence = failure(run(server.port, "bad\nname"))
    assert sentence.startswith('The name "bad‹U+000A›name" cannot be used: a username has no ')


def test_nobody_listening() -> None:
    assert failure(run(1, "ada")) == "Nobody is listening at 127.0.0.1:1; is the server running?"


def test_no_such_host() -> None:
    sentence = failure(run(1, "ada", "--host", "nowhere.invalid"))
    assert sentence == "There is no host called nowhere.invalid."


def test_a_host_that_is_no_name() -> None:
    sentence = failure(run(1, "ada", "--host", "x" * 300))
    assert sentence.startswith("There is no host called xxx")


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (b'{"isConnected": false, "errorCode": 2}', "{} is full; try again later."),
        (b'{"isConnected": false, "errorCode": 3}', '{} does not allow the name "ada"; '),
        (b'{"isConnected": false, "errorCode": 77}', "{} refused the join, with error code 77."),
        (b'{"isConnected": "no"}', "{} refused the join, with error code None."),
        (b"220 mail.example.org ESMTP\r\n", "{} does not speak this protocol: "),
        (b"", "{} closed the connection unanswered; perhaps it expects --tls."),
    ],
)
def test_other_answers(
    scripted: ScriptedServer, piped: Callable[..., Piped], answer: bytes, sentence: str
) -> None:
    ada = piped(scripted.port, "ada")
    scripted.accept()
    scripted.send_bytes(answer)
    scripted.drop()
    status, out, err = ada.end()
    assert (status, out) == (1, "")
    wanted = sentence.format(f"127.0.0.1:{scripted.port}")
    assert err.startswith(f"chatroom-ref-client: {wanted}")
    assert err.count("\n") == 1


def test_wrong_usage() -> None:
    for options in (("--port", "0"), ("--port", "x"), ("--theme", "pink"), ("--tls-ca", "f")):
        done = run(1, "ada", *options)
        assert done.returncode == 2
        assert "Traceback" not in done.stderr


def test_a_lost_connection_ends_a_pipe(
    scripted: ScriptedServer, piped: Callable[..., Piped]
) -> None:
    ada = piped(scripted.port, "ada")
    scripted.welcome()
    ada.read()
    scripted.drop()
    status, _, err = ada.end()
    assert status == 1
    assert err == f"chatroom-ref-client: The connection to 127.0.0.1:{scripted.port} was lost.\n"


def test_the_servers_disconnect_ends_it_in_order(
    scripted: ScriptedServer, piped: Callable[..., Piped]
) -> None:
    ada = piped(scripted.port, "ada")
    scripted.welcome()
    ada.read()
    scripted.send(message("ben", "last words"), {"disconnect": True})
    assert without_time(ada.read()) == "ben: last words"
    assert scripted.at_end()
    assert ada.end() == (0, "", "The server ended the session.\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_an_orderly_leave(
    scripted: ScriptedServer, piped: Callable[..., Piped], number: int
) -> None:
    ada = piped(scripted.port, "ada")
    scripted.welcome()
    ada.read()
    ada.process.send_signal(number)
    assert scripted.receive() == {"disconnect": True, "sender": "ada"}
    # A server that does not answer holds nobody up.
    started = time.monotonic()
    assert ada.end() == (0, "", "")
    assert time.monotonic() - started < 2
    assert scripted.at_end()


def test_what_comes_after_leaving_is_still_shown(
    scripted: ScriptedServer, piped: Callable[..., Piped]
) -> None:
    ada = piped(scripted.port, "ada")
    scripted.welcome()
    ada.read()
    ada.write("/quit\n")
    scripted.receive()
    scripted.send(message("ben", "bye"), {"disconnect": True})
    assert without_time(ada.read()) == "ben: bye"
    assert ada.end()[0] == 0


def test_pings_are_answered(scripted: ScriptedServer, piped: Callable[..., Piped]) -> None:
    piped(scripted.port, "ada")
    scripted.welcome("ping")
    scripted.send({"ping": "token"})
    assert scripted.receive() == {"pong": "token"}


def test_own_messages_that_come_back_are_shown_once(
    scripted: ScriptedServer, piped: Callable[..., Piped]
) -> None:
    ada = piped(scripted.port, "ada")
    scripted.welcome()
    ada.read()
    ada.write("/msg ada note\n")
    scripted.receive()
    scripted.send(message("ada", "note", "ada"), message("ben", "after"))
    assert without_time(ada.read()) == "[private] ada to ada: note"
    assert without_time(ada.read()) == "ben: after"


def test_an_original_server(original: OriginalServer, person: Join) -> None:
    ben = person(original.port, "ben")
    done = run(original.port, "ada", said="hello\n/msg ben psst\n")
    assert done.returncode == 0
    assert ben.hear("hello").sender == "ada"
    assert ben.hear("psst").dm == "ben"
    ben.hear("ada is offline\n")


def test_a_closed_output_is_a_leave(
    server: RealServer, person: Join, piped: Callable[..., Piped]
) -> None:
    ben = person(server.port, "ben")
    ada = piped(server.port, "ada")
    ada.read()
    assert ada.process.stdout
    ada.process.stdout.close()
    ben.say("anybody there?")
    ben.hear("ada is offline\n")
    assert ada.process.wait(PATIENCE) == 0
    assert ada.process.stderr
    assert ada.process.stderr.read() == ""


def test_a_character_set_that_lacks_much(scripted: ScriptedServer) -> None:
    done = subprocess.Popen(
        client_command(scripted.port, "ada", "--console"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"},
    )
    scripted.welcome()
    scripted.send(message("ben", "grüße \x1b"), {"disconnect": True})
    out, _ = done.communicate(timeout=PATIENCE)
    assert done.returncode == 0
    assert b"ben: gr\\xfc\\xdfe \\u2039U+001B\\u203a" in out


# On a terminal.


# Only a controlling terminal turns Ctrl-C into a signal.
_TAKE_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


class OnTerminal:
    """A client on a pseudo-terminal."""

    def __init__(self, port: int, name: str) -> None:
        self.master, slave = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-c", _TAKE_TERMINAL, *client_command(port, name, "--console")],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**os.environ, "TERM": "xterm"} | {"NO_COLOR": ""},
            start_new_session=True,
        )
        os.close(slave)
        self.seen = ""

    def until(self, text: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while text not in self.seen:
            assert time.monotonic() < deadline, (text, self.seen)
            if select.select([self.master], [], [], 0.1)[0]:
                with contextlib.suppress(OSError):
                    self.seen += os.read(self.master, 65536).decode(errors="replace")

    def forget(self) -> None:
        self.seen = ""

    def write(self, text: str) -> None:
        os.write(self.master, text.encode())

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.master)


@pytest.fixture
def terminal() -> Iterator[Callable[[int, str], OnTerminal]]:
    opened: list[OnTerminal] = []

    def open_terminal(port: int, name: str) -> OnTerminal:
        opened.append(OnTerminal(port, name))
        return opened[-1]

    yield open_terminal
    for each in opened:
        each.close()


def test_a_terminal_has_a_prompt_colours_and_a_bell(
    server: RealServer, person: Join, terminal: Callable[[int, str], OnTerminal]
) -> None:
    ben = person(server.port, "ben")
    ada = terminal(server.port, "ada")
    ada.until("ada> ")
    ada.write("half a li")
    ada.until("half a li")
    ben.say("interrupting")
    # What was typed stands again, below what came.
    ada.until("interrupting\r\nada> half a li")
    assert re.search(r"\x1b\[1m\x1b\[3\dmben\x1b\[0m: interrupting", ada.seen)
    ada.write("ne\n")
    ben.hear("half a line")
    ben.say("psst", "ada")
    ada.until("psst")
    # Own lines stand where they were typed, and nowhere else.
    assert "ada: half" not in ada.seen
    assert "\a" in ada.seen
    assert "[private]" in ada.seen
    ada.write("/msg ben\n")
    ada.until("ada to ben only> ")
    ada.forget()
    ada.write("/oops\n")
    ada.until("no command /oops")
    ada.until("ada to ben only> ")
    ada.write("\x04")
    ben.hear("ada is offline\n")
    assert ada.process.wait(PATIENCE) == 0


def test_a_terminal_reconnects(
    scripted: ScriptedServer, terminal: Callable[[int, str], OnTerminal]
) -> None:
    ada = terminal(scripted.port, "ada")
    scripted.welcome()
    ada.until("ada> ")
    scripted.drop()
    ada.until("was lost. Not connected. Trying again in")
    ada.write("too early\n")
    ada.until("no connection at the moment")
    ada.forget()
    scripted.welcome()
    ada.until("Connected to")
    ada.write("back again\n")
    while scripted.receive().get("message") != "back again":
        pass
    ada.write("\x03")
    assert scripted.receive() == {"disconnect": True, "sender": "ada"}
    scripted.send({"disconnect": True})
    assert ada.process.wait(PATIENCE) == 0


# TLS.


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def certificates(
    authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path, Path]:
    """Give files: the authority's certificate, the server's, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    paths = folder / "ca.pem", folder / "server.pem", folder / "server.key"
    issued = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(str(paths[0]))
    paths[1].write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    issued.private_key_pem.write_to_path(str(paths[2]))
    return paths


@pytest.fixture(scope="module")
def tls_server(certificates: tuple[Path, Path, Path]) -> Iterator[RealServer]:
    _, certificate, key = certificates
    running = RealServer(0, "--tls-cert", str(certificate), "--tls-key", str(key))
    yield running
    running.stop()


def test_tls(tls_server: RealServer, certificates: tuple[Path, Path, Path]) -> None:
    options = ("--tls", "--tls-ca", str(certificates[0]))
    done = run(tls_server.port, "ada", *options, said="/msg ada secret\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"Connected to 127.0.0.1:{tls_server.port} over TLS as ada." in done.stdout
    assert "[private] ada to ada: secret" in done.stdout


def test_tls_with_much_to_say(
    tls_server: RealServer, certificates: tuple[Path, Path, Path]
) -> None:
    texts = [f"/msg ada {number} {'x' * 2000}" for number in range(200)]
    options = ("--tls", "--tls-ca", str(certificates[0]))
    done = run(tls_server.port, "ada", *options, said="\n".join(texts))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("[private]") == 200


def test_tls_failures(
    server: RealServer, tls_server: RealServer, certificates: tuple[Path, Path, Path]
) -> None:
    where = f"127.0.0.1:{tls_server.port}"
    stranger = failure(run(tls_server.port, "ada", "--tls"))
    assert stranger.startswith(f"The certificate of {where} is not trusted: ")
    trusting = ("--tls", "--tls-ca", str(certificates[0]))
    wrong_name = failure(run(tls_server.port, "ada", *trusting, "--host", "localhost"))
    assert "is not trusted: Hostname mismatch" in wrong_name
    assert wrong_name.endswith("'localhost'.")
    plain = failure(run(server.port, "ada", *trusting))
    assert plain == f"127.0.0.1:{server.port} does not speak TLS; try without --tls."
    unasked = failure(run(tls_server.port, "ada"))
    assert where in unasked
    assert unasked.endswith("perhaps it expects --tls.")
    missing = failure(run(tls_server.port, "ada", "--tls", "--tls-ca", "no/such/file"))
    assert missing == "There is no file no/such/file to read trusted certificates from."
    no_pem = failure(run(tls_server.port, "ada", "--tls", "--tls-ca", __file__))
    assert no_pem == f"There is no certificate in PEM form in {__file__}."


def test_tls_is_1_2_or_later() -> None:
    from chatroom_reference.client.tls import client_context

    context = client_context(None)
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
