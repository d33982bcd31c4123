"""The command: exit statuses, sentences for bad use, manners."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme

from tests.conformance.conftest import ORIGINAL, REFERENCE, SECONDS, reference, suite

Listen = Callable[[], tuple[socket.socket, str]]
QUICK = ("joining.granted", "messages.everyone", "private.*")


def test_the_reference_server_conforms() -> None:
    done = suite("--reference")
    assert done.returncode == 0, done.stdout
    assert done.stdout.splitlines()[-1].startswith("CONFORMANT")
    assert "\x1b" not in done.stdout


def test_a_selection_runs_and_says_what_was_left_out() -> None:
    done = suite("--reference", *QUICK, "--skip", "private.oneself", "-v")
    assert done.returncode == 0
    assert "private.addressee" in done.stdout
    assert "private.oneself" not in done.stdout
    assert "MUSTs not tested" in done.stdout.splitlines()[-1]


def test_the_options_that_would_test_the_rest_are_named() -> None:
    last = suite("--reference", "-q").stdout.splitlines()[-1]
    assert last.endswith("MUSTs not tested without --disruptive and --timed")


@pytest.mark.parametrize("limit", ["--max-clients", "--max-clients-per-address"])
def test_room_for_sixteen_is_enough(limit: str) -> None:
    done = suite("--exec", f"{REFERENCE} {limit} 16", "--disruptive")
    assert done.returncode == 0, done.stdout


def test_a_server_that_is_full_is_not_blamed_for_saying_so() -> None:
    full = f"{REFERENCE} --max-clients-per-address 4"
    done = suite("--exec", full, "refusals.*", "joining.*", "limits.sixteen", "limits.which-code")
    assert done.returncode == 4, done.stdout
    assert "was refused with code 2" in done.stdout
    assert "allow it more for this test" in done.stdout


def test_options_may_stand_before_cases() -> None:
    assert suite("--reference", "-q", "--skip", "vectors.*", *QUICK).returncode == 0


def test_zero_cases_never_conform() -> None:
    done = suite("--reference", "-q", "joining.*", "--skip", "joining.*", "--skip", "monitor.*")
    assert done.returncode == 4
    assert done.stdout.startswith("INCONCLUSIVE")


def test_the_list_names_every_case_with_its_requirements() -> None:
    done = suite("--list")
    assert done.returncode == 0
    lines = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
    assert lines["joining.granted"] == "JOIN-3"
    assert len(lines) > 100
    assert suite("--list", "private.*").stdout.count("\n") == 5


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "which server?"),
        (("127.0.0.1",), "is no HOST:PORT"),
        (("::1:1134",), "write an IPv6 address as [::1]:1134"),
        (("127.0.0.1:99999",), "is no HOST:PORT"),
        (("--reference", "no.such-case"), "no case is called no.such-case"),
        (("--reference", "--skip", "nothing*"), "no case is called nothing*"),
        (("--reference", "--json", "/no/such/folder/x"), "cannot write /no/such/folder/x"),
        (("--reference", "--html", "/"), "cannot write /"),
        (("--reference", "--baseline", "/no/such/file"), "cannot read the baseline"),
        (("--reference", "--tls-ca", "/no/such/file"), "cannot read /no/such/file"),
        (("--reference", "--jobs", "0"), "whole number from 1"),
        (("--reference", "--timeout-scale", "-1"), "no number above 0"),
        (("repro", "no.such-case"), "no case is called no.such-case"),
        (("repro",), "repro takes one case"),
    ],
)
def test_bad_use_is_one_sentence_and_exit_2(arguments: tuple[str, ...], sentence: str) -> None:
    done = suite(*arguments)
    assert done.returncode == 2
    assert sentence in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("127.0.0.1:1",), "cannot connect to 127.0.0.1:1"),
        (("[::1]:1",), "cannot connect to [::1]:1"),
        (("--exec", "/no/such/program {port}"), "cannot start /no/such/program"),
        (("--exec", "false {port}"), "ended at once with exit status 1"),
        (("--exec", f"{sys.executable} -c 'import sys;sys.exit(\"sorry\")' {{port}}"), "sorry"),
        (("--exec", "sleep 5"), "has no {port}"),
    ],
)
def test_a_server_that_is_not_there_is_exit_3(arguments: tuple[str, ...], sentence: str) -> None:
    done = suite(*arguments)
    assert done.returncode == 3
    assert sentence in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_a_silent_server_is_exit_3_within_seconds(listen: Listen) -> None:
    _, address = listen()
    began = time.monotonic()
    done = suite(address)
    assert done.returncode == 3
    assert "accepts connections and is silent" in done.stdout
    assert time.monotonic() - began < 10


def test_a_server_that_just_closes_is_exit_3(listen: Listen) -> None:
    listener, address = listen()

    def serve() -> None:
        listener.accept()[0].close()

    threading.Thread(target=serve, daemon=True).start()
    done = suite(address)
    assert done.returncode == 3
    assert "closed the connection without a word" in done.stdout


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """An authority, and a server's chain and key."""
    folder = tmp_path_factory.mktemp("certificates")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    issued = authority.issue_cert("127.0.0.1")
    issued.private_key_and_cert_chain_pem.write_to_path(str(folder / "server.pem"))
    return folder / "ca.pem", folder / "server.pem"


def test_a_tls_server_without_tls_is_told_from_others(
    listen: Listen, certificates: tuple[Path, Path]
) -> None:
    listener, address = listen()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates[1])

    def serve() -> None:
        sock = listener.accept()[0]
        try:
            context.wrap_socket(sock, server_side=True)
        except ssl.SSLError:
            sock.close()

    threading.Thread(target=serve, daemon=True).start()
    done = suite(address)
    assert done.returncode == 3
    assert "--tls" in done.stdout


def test_over_tls(certificates: tuple[Path, Path]) -> None:
    authority, chain = certificates
    cases = (*QUICK, "tls.*", "leaving.*", "framing.*", "limits.*", "closing.*")
    with reference("--tls-cert", str(chain)) as address:
        done = suite(address, "--tls-ca", str(authority), *cases)
        assert done.returncode == 0, done.stdout
        untrusted = suite(address, "--tls", *QUICK)
        assert untrusted.returncode == 3
        assert "certificate" in untrusted.stdout or "issuer" in untrusted.stdout
        assert suite(address, "--tls-insecure", "-q", *QUICK).returncode == 0


def test_tls_asked_of_a_plain_server() -> None:
    with reference() as address:
        done = suite(address, "--tls")
    assert done.returncode == 3
    assert f"no TLS with {address}" in done.stdout


def test_ipv6() -> None:
    with reference("--host", "::1") as address:
        assert address.startswith("[::1]:")
        assert suite(address, "-q", *QUICK).returncode == 0


def test_a_server_that_dies_is_exit_3_and_the_report_is_written(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    done = suite(
        "--exec", ORIGINAL, "--timeout-scale", "0.3", "--json", str(report), *QUICK,
        "robustness.abrupt-end", "robustness.sane-at-the-end",
    )  # fmt: skip
    assert done.returncode == 3
    assert "the server died in case robustness.abrupt-end" in done.stdout
    cases = {case["id"]: case["status"] for case in json.loads(report.read_text())["cases"]}
    assert cases["private.addressee"] == "MET"
    assert cases["robustness.abrupt-end"] == "VIOLATED"
    assert cases["robustness.sane-at-the-end"] == "BLOCKED"


def test_an_original_server_is_blamed_for_what_it_does() -> None:
    """Without its deadly cases, as those who keep such a server running would do."""
    chosen = ("joining.deaf-before", "messages.*", "private.*", "refusals.*", "framing.together")
    done = suite("--exec", ORIGINAL, "--timeout-scale", "0.3", "-v", *chosen,
                 "--skip", "*other-members*", "--skip", "refusals.not-a-join",
                 "--skip", "refusals.violation", "--skip", "refusals.username-no-string",
                 "--skip", "framing.without-line-feed")  # fmt: skip
    assert done.returncode == 1, done.stdout
    words = [line.split() for line in done.stdout.splitlines()]
    status = {line[1]: line[0] for line in words if len(line) == 4 and line[3] == "ms"}
    assert status["messages.everyone"] == "MET"
    assert status["private.oneself"] == "VIOLATED"
    assert status["messages.sender-not-believed"] == "VIOLATED"
    assert status["refusals.closed"] == "VIOLATED"
    assert status["refusals.deaf"] == "VIOLATED"
    assert status["joining.deaf-before"] == "VIOLATED"
    assert status["framing.together"] == "VIOLATED"


def test_baseline(tmp_path: Path) -> None:
    known = tmp_path / "known"
    chosen = (
        "--exec",
        ORIGINAL,
        "--timeout-scale",
        "0.3",
        "private.oneself",
        "--skip",
        "monitor.*",
    )
    written = suite(*chosen, "--write-baseline", str(known))
    assert written.returncode == 1
    assert known.read_text().splitlines()[1].startswith("DM-6 ")
    assert suite(*chosen, "--baseline", str(known)).returncode == 0
    known.write_text("")
    new = suite(*chosen, "--baseline", str(known))
    assert new.returncode == 1
    assert "DM-6 fails, and the baseline doesn't say so" in new.stdout
    known.write_text("DM-6\nDM-4\nNO-1\n")
    stale = suite(*chosen, "--baseline", str(known))
    assert stale.returncode == 5
    assert "DM-4 is met now" in stale.stdout
    assert "NO-1 is no requirement" in stale.stdout


def test_repro_shows_a_failure_again_and_only_there(tmp_path: Path) -> None:
    made = suite("repro", "refusals.closed", "--exec", ORIGINAL, "--timeout-scale", "0.3")
    assert made.returncode == 0
    assert "refusals.closed is VIOLATED" in made.stderr
    script = tmp_path / "script.py"
    script.write_text(made.stdout)

    def play(address: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-I", str(script), address],
            capture_output=True, text=True, timeout=SECONDS, check=False,
        )  # fmt: skip

    with reference() as address:
        right = play(address)
    assert right.returncode == 0, right.stderr
    assert "not shown this time: REFUSE-4" in right.stdout
    with _original() as address:
        wrong = play(address)
    assert wrong.returncode == 1, wrong.stderr
    assert "SHOWN AGAIN: REFUSE-4" in wrong.stdout


class _original:  # noqa: N801
    """The original server on a port that stays its own."""

    def __enter__(self) -> str:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        script = str(Path(__file__).with_name("original_server.py"))
        self.process = subprocess.Popen(
            [sys.executable, script, str(port)], stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout
        assert self.process.stdout.readline() == "listening\n"
        return f"127.0.0.1:{port}"

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_everybody_leaves_and_the_report_is_written(
    number: signal.Signals, tmp_path: Path
) -> None:
    report = tmp_path / "report.json"
    log = tmp_path / "log"
    with reference(log=log) as address:
        process = subprocess.Popen(
            [sys.executable, "-m", "chatroom_conformance", address, "-v", "--json", str(report)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdout
        for line in process.stdout:
            if "messages." in line:
                break
        process.send_signal(number)
        out, errors = process.communicate(timeout=SECONDS)
        assert process.returncode == 130, errors
        assert out.splitlines()[-1].endswith("interrupted")
        assert "Traceback" not in errors
    words = log.read_text()
    assert words.count(" joined ") > 2
    assert words.count(" joined ") == words.count('reason="disconnected"'), words
    assert json.loads(report.read_text())["verdict"] != "CONFORMANT"


def test_quiet_prints_the_verdict_alone() -> None:
    done = suite("--reference", "-q", *QUICK)
    assert done.stdout.count("\n") == 1


def test_colours() -> None:
    assert "\x1b[32m" in suite("--reference", "-q", *QUICK, "--color", "always").stdout
    assert "\x1b" not in suite("--reference", "-q", *QUICK, "--color", "never").stdout
    assert "\x1b[32m" in suite("--reference", "-q", *QUICK, NO_COLOR="", FORCE_COLOR="1").stdout


def test_the_json_report_on_stdout_is_nothing_but_json() -> None:
    done = suite("--reference", *QUICK, "--json", "-")
    assert json.loads(done.stdout)["verdict"] == "CONFORMANT"
    assert "CONFORMANT" in done.stderr


def test_side_by_side_and_shuffled_nothing_changes() -> None:
    for seed in ("1", "2"):
        done = suite(
            "--exec", REFERENCE, "-q", "--jobs", "4", "--seed", seed, "--skip", "vectors.*"
        )
        assert done.returncode == 0, done.stdout


def test_strangers_are_counted_and_never_quoted(tmp_path: Path) -> None:
    secret = "what strangers say is theirs"
    report = tmp_path / "report.json"
    with reference() as address:
        host, _, port = address.rpartition(":")
        stop = threading.Event()
        with socket.create_connection((host, int(port))) as stranger:
            stranger.sendall(b'{"username": "stranger"}\n')

            def talk() -> None:
                while not stop.wait(0.001):
                    stranger.sendall(b'{"message": "%s"}\n' % secret.encode())

            thread = threading.Thread(target=talk)
            thread.start()
            try:
                done = suite(address, "-v", "--skip", "vectors.*", "--json", str(report))
            finally:
                stop.set()
                thread.join()
    assert done.returncode == 0, done.stdout
    assert secret not in done.stdout + report.read_text()
    assert " of them strangers'" in done.stdout


def test_a_broken_pipe_is_no_traceback() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "chatroom_conformance", "--list"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=os.environ,
    )  # fmt: skip
    assert process.stdout
    assert process.stderr
    process.stdout.read(1)
    process.stdout.close()
    errors = process.stderr.read()
    process.stderr.close()
    process.wait(SECONDS)
    assert b"Traceback" not in errors
