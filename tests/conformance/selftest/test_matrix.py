"""The kill matrix: each fault blamed on its rule, nothing else blamed, odd servers clean."""

from __future__ import annotations

import datetime
import re
import socket
import struct
import threading
from contextlib import ExitStack

import pytest

from chatroom_conformance import runner
from chatroom_conformance.cases import load_cases
from chatroom_conformance.requirements import requirements
from chatroom_conformance.results import Verdict
from chatroom_conformance.selftest import command, main, matrix, removal
from chatroom_conformance.selftest.faults import FAULTS
from chatroom_conformance.selftest.host import Change, Connection, Members, Peer
from chatroom_conformance.selftest.matrix import Blame, Row
from chatroom_conformance.selftest.odd import ODD

SHUFFLES = 3
PARTS = 3


def test_every_requirement_that_can_be_tested_has_a_fault() -> None:
    assert matrix.unbroken() == []


def test_every_fault_breaks_a_requirement_that_can_be_tested() -> None:
    testable = set(matrix.testable())
    for fault in FAULTS.values():
        assert fault.requirement in testable, fault.name
        assert fault.sentence.endswith("."), fault.name


def test_every_exception_is_a_requirement_and_has_a_reason() -> None:
    for fault in FAULTS.values():
        for name, reason in fault.also.items():
            assert name in requirements(), fault.name
            assert name != fault.requirement, fault.name
            assert len(reason.split()) > 3, fault.name


def test_at_least_ten_servers_are_odd() -> None:
    assert len(ODD) - 1 >= 10  # one of them is the plain one


def _part() -> list[str]:
    """A part of the faults, another one each day; the command runs them all."""
    today = datetime.date.today().toordinal()
    quick = [f.name for f in FAULTS.values() if not (f.disruptive or f.timed)]
    return quick[today % PARTS :: PARTS]


def test_the_matrix(capfd: pytest.CaptureFixture[str]) -> None:
    names = _part()
    status = main(["--quick", *names, *ODD])
    out = capfd.readouterr().out
    assert status == 0, out
    assert out.splitlines()[-1] == "SELF-TEST PASSED"
    assert f"{len(names)} of {len(names)} faults blamed" in out
    assert f"{len(ODD)} of {len(ODD)} odd servers without a failure" in out


def test_a_server_without_fault_conforms_in_any_order() -> None:
    found = []
    for seed in range(SHUFFLES):
        with Change().serve() as server:
            options = runner.Options(timeout_scale=matrix.PATIENT_SCALE, seed=seed)
            result = runner.run(server.address, options)
        assert server.crash == ""
        assert result.verdict is Verdict.CONFORMANT
        found.append({(r.id, r.status) for r in result.requirements})
    assert all(one == found[0] for one in found)


def test_a_bug_of_the_server_is_no_fault_of_a_server() -> None:
    def broken(_: Peer, __: Members) -> list[Members]:
        raise ZeroDivisionError

    options = runner.Options(timeout_scale=0.1, select=["joining.granted"])
    _, trouble = matrix.judge(Change(sent=broken), options)
    assert "ZeroDivisionError" in trouble


def test_a_server_that_dies_by_its_fault_has_no_bug() -> None:
    options = runner.Options(timeout_scale=0.1, select=["robustness.hostile-input"])
    result, trouble = matrix.judge(FAULTS["dies-of-a-frame"].change, options)
    assert trouble == ""
    assert result.death is not None


# ---- the gates themselves


def _row(name: str, *blamed: str, **more: object) -> Row:
    blames = {one: Blame(one, "some.case", "this", "that") for one in blamed}
    return Row(name, blames, frozenset(), **more)  # type: ignore[arg-type]


def test_a_fault_that_is_not_blamed_fails_the_gate() -> None:
    assert matrix.faults_in(_row("echo", "DELIV-2")) == []
    (sentence,) = matrix.faults_in(_row("echo"))
    assert "DELIV-2" in sentence


def test_an_unrelated_blame_fails_the_gate() -> None:
    (sentence,) = matrix.faults_in(_row("echo", "DELIV-2", "DM-1"))
    assert "unrelated" in sentence
    assert "DM-1" in sentence


def test_an_exception_is_no_unrelated_blame_and_has_to_be_needed() -> None:
    fault = next(fault for fault in FAULTS.values() if fault.also)
    needed = _row(fault.name, fault.requirement, *fault.also)
    assert matrix.faults_in(needed) == matrix.stale(needed) == []
    assert len(matrix.stale(_row(fault.name, fault.requirement))) == len(fault.also)


def test_trouble_fails_the_gate() -> None:
    assert matrix.faults_in(_row("echo", "DELIV-2", trouble="it crashed")) == ["echo: it crashed"]


@pytest.mark.parametrize(
    "row",
    [_row("crlf", "FRAME-2"), _row("crlf", undecided={"DM-1": "why"}), _row("crlf", trouble="x")],
)
def test_an_odd_server_has_to_be_clean(row: Row) -> None:
    assert matrix.faults_with_odd(_row("crlf")) == []
    assert len(matrix.faults_with_odd(row)) == 1


def test_a_shuffled_run_with_another_verdict_fails_the_gate(
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = {"echo": _row("echo", "DELIV-2")}
    same, other = _row("echo", "DELIV-2", seed=1), _row("echo", "DELIV-2", "DM-1", seed=2)
    same_run = command.Findings(faults=before, shuffled=[same])
    assert command._report(same_run, complete=False, quick=True) == 0
    other_run = command.Findings(faults=before, shuffled=[same, other])
    assert command._report(other_run, complete=False, quick=True) == 1
    out = capsys.readouterr().out
    assert "shuffled by seed 2, echo: DM-1 has another verdict" in out
    assert "1 of 2 shuffled runs with the same verdicts" in out


def test_a_fault_that_nothing_checks_is_seen() -> None:
    """The matrix can fail: without the one check that sees it, a fault survives."""
    name = "leave-without-line-feed"
    found = removal.run(name)
    (check,) = [one for one, names in found.blamed.items() if "LEAVE-11" in names]
    assert re.fullmatch(r"leaving\.announcement at leaving\.py:\d+", check)
    assert found.killed
    assert not removal.run(name, check).killed


# ---- the command


def test_names_choose_faults_requirements_and_odd_servers(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--list", "DELIV-*", "crlf"]) == 0
    lines = capsys.readouterr().out.splitlines()
    names = {line.split()[0] for line in lines}
    assert {"echo", "said-twice", "crlf"} <= names
    assert len(lines) == 1 + sum(f.requirement.startswith("DELIV-") for f in FAULTS.values())


def test_a_name_that_means_nothing_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["no-such-fault"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert "'no-such-fault'" in captured.err


def test_a_count_has_to_be_a_number(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--jobs", "many"])
    assert ended.value.code == 2
    assert "'many' is no number" in capsys.readouterr().err


def test_a_run_against_all_cases_finds_the_same(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["echo", "crlf", "--shuffles", "2", "--jobs", "2"]) == 0
    out = capfd.readouterr().out
    assert re.search(r"^echo +DELIV-2 +DELIV-2$", out, re.MULTILINE)
    assert "2 of 2 shuffled runs with the same verdicts" in out


def test_every_case_can_blame_something_that_a_fault_breaks() -> None:
    """A case whose requirements no fault breaks would never be seen to fail."""
    broken = {fault.requirement for fault in FAULTS.values()}
    for case in load_cases().values():
        assert broken & set(case.requirements), case.id


def test_a_server_bears_it_that_everybody_is_gone_at_once() -> None:
    """The leave of each is written to all others, who are gone too."""
    asked, gone = threading.Event(), threading.Event()

    def heard(_: Connection, frame: Members) -> Members:
        asked.set()
        assert gone.wait(10)
        return frame

    with Change(heard=heard).serve() as server, ExitStack() as people:
        host, _, port = server.address.rpartition(":")
        for number in range(250):
            person = people.enter_context(socket.create_connection((host, int(port)), 10))
            person.sendall(b'{"username":"u%d"}\n' % number)
            assert person.recv(1)
            person.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        person.sendall(b'{"message":"hello"}\n')
        assert asked.wait(10)
        people.close()
        gone.set()
        with socket.create_connection((host, int(port)), 10) as newcomer:
            newcomer.sendall(b'{"username":"newcomer"}\n')
            assert newcomer.recv(1)
    assert not server.crash
