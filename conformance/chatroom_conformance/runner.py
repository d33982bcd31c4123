"""Runs cases against a server and judges it. Prints nothing."""

from __future__ import annotations

import contextlib
import random
import socket
import ssl
import threading
import time
import traceback
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from typing import Protocol

from attrs import define, field

from . import registry, verdicts
from .cases import load_cases
from .monitors import Monitors
from .reader import Frame, Junk
from .registry import Case, Risk
from .requirements import specification_version
from .results import CaseResult, Death, RunResult, Status
from .vocabulary import (
    FailureError,
    InconclusiveError,
    NotApplicableError,
    Patience,
    Room,
    Session,
)
from .wire import Address, Connection, Network, ServerGoneError, StoppedError

#: What a case may be for those that need it to go on.
_FIT = (Status.MET, Status.DEVIATES, Status.NOT_APPLICABLE)


class Progress(Protocol):
    """Is told how a run goes on, from any thread, one call at a time."""

    def started(self, cases: Sequence[str]) -> None:
        """The cases that are going to run, in order."""

    def case_done(self, result: CaseResult) -> None:
        """One case has run, or was blocked."""


class Silent:
    """A progress that tells nobody."""

    def started(self, cases: Sequence[str]) -> None:
        """Nothing."""

    def case_done(self, result: CaseResult) -> None:
        """Nothing."""


class UnknownCaseError(Exception):
    """An id or a glob fits no case."""


@define
class Options:
    """How to run. The defaults run all that isn't disruptive or timed, one case at a time."""

    select: Sequence[str] = ()  #: ids or globs; empty is all
    skip: Sequence[str] = ()
    timeout_scale: float = 1.0
    seed: int | None = None  #: shuffles the order, within what risks and needs allow
    jobs: int = 1
    tls: ssl.SSLContext | None = None
    disruptive: bool = False
    timed: bool = False
    strict: bool = False
    command: str = ""  #: the beginning of the command that repeats a case
    progress: Progress = field(factory=Silent)
    #: A connection that is open already, for the first look at the server.
    connected: socket.socket | None = None
    whole_transcripts: bool = False  #: for a repro script
    #: Set by another thread to end the run.
    stop: threading.Event = field(factory=threading.Event)


def run(target: str | Address, options: Options | None = None) -> RunResult:
    """Test the server at `target` (`HOST:PORT`, or an `Address`).

    Raises:
        UnknownCaseError: a selection fits no case.
    """
    options = options or Options()
    address = parse_address(target, options.tls) if isinstance(target, str) else target
    return _Run(address, options).result()


def parse_address(text: str, tls: ssl.SSLContext | None = None) -> Address:
    """`HOST:PORT`, with brackets around an IPv6 address.

    Raises:
        ValueError: it is none; the sentence says what would be right.
    """
    host, colon, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(f"{text!r} is no HOST:PORT; write an IPv6 address as [::1]:1134")
    if not (host and colon and port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise ValueError(f"{text!r} is no HOST:PORT; a right one is 127.0.0.1:1134")
    return Address(host, int(port), tls)


class _Run:
    def __init__(self, address: Address, options: Options) -> None:
        self.options = options
        self.cases = load_cases()
        self.monitors = Monitors()
        self.session = Session(
            address,
            self.monitors,
            Patience.scaled(options.timeout_scale),
            whole_transcripts=options.whole_transcripts,
            stop=options.stop,
        )
        self.results: dict[str, CaseResult] = {}
        self.death: Death | None = None
        self.trouble = ""
        self.suite_bug = ""
        self.interrupted = False
        self.before: CaseResult | None = None  #: the case that ran last
        self.chosen = self._chosen()
        self._lock = threading.Lock()

    def result(self) -> RunResult:
        began, started = time.monotonic(), datetime.now(timezone.utc)
        try:
            self.trouble = self._preflight()
            if not self.trouble:
                self._run_all()
        except (KeyboardInterrupt, StoppedError):
            self.interrupted = True
        return self._sum_up(began, started)

    # ---- what to run

    def _chosen(self) -> set[str]:
        names = [*self.cases, *(result.id for result in self.monitors.results(lambda _: True))]
        chosen, unmatched = registry.select(self.options.select or ["*"], names)
        skipped, unmatched_skips = registry.select(self.options.skip, names)
        if unmatched or unmatched_skips:
            raise UnknownCaseError((unmatched + unmatched_skips)[0])
        return set(chosen) - set(skipped)

    def _why_not(self, case: Case) -> str:
        """Why a case isn't going to run; empty if it is."""
        if case.id not in self.chosen:
            return "not selected"
        if case.disruptive and not self.options.disruptive:
            return "disruptive: runs with --disruptive only"
        if case.timed and not self.options.timed:
            return "waits for time to pass: runs with --timed only"
        return ""

    def _needed(self, runnable: Iterable[Case]) -> set[str]:
        """What the selected cases need, whether it was selected or not."""
        needed: set[str] = set()
        todo = [name for case in runnable for name in case.needs]
        while todo:
            name = todo.pop()
            if name not in needed:
                needed.add(name)
                todo += self.cases[name].needs
        return needed

    def _ordered(self) -> list[Case]:
        runnable = [case for case in self.cases.values() if not self._why_not(case)]
        names = {case.id for case in runnable} | self._needed(runnable)
        ordered = [case for case in self.cases.values() if case.id in names]
        if self.options.seed is not None:
            random.Random(self.options.seed).shuffle(ordered)
        ordered.sort(key=lambda case: case.risk)
        return _needs_first(ordered, self.cases)

    # ---- running

    def _preflight(self) -> str:
        """Why nothing can be tested; empty if the server answers a join."""
        began = time.monotonic()
        try:
            heard, ended = self._visit(self.session.patience.answer * 2, self.options.connected)
        except ServerGoneError as error:
            return str(error)
        self._measure(time.monotonic() - began)
        return self._trouble(heard, ended=ended)

    def _visit(self, within: float, sock: socket.socket | None = None) -> tuple[bytes, bool]:
        """Join and leave: what the server said first, and whether it ended the connection.

        An unexplained end kills some servers, so that a look whether one is alive has manners.

        Raises:
            ServerGoneError: no connection can be made.
        """
        heard = bytearray()

        def hear(_: Connection, item: Frame | Junk) -> None:
            heard.extend(item.raw)

        network = Network(
            self.session.address,
            hear,
            lambda _: None,
            connect_within=self.session.patience.connect,
            stopping=self.options.stop.is_set,
        )
        probe = Connection(network, "probe", sock=sock)
        try:
            name = f"probe-{self.session.token}{self.session.number()}"
            probe.send(b'{"username": "%s"}\n' % name.encode())
            network.wait(lambda: bool(heard or probe.ended), within)
            first, ended = bytes(heard) + probe.reader.rest(), probe.ended is not None
            if first and not ended:
                probe.send(b'{"disconnect": true, "sender": "%s"}\n' % name.encode())
                network.wait(lambda: probe.ended is not None, self.session.patience.leave)
            return first, ended
        finally:
            probe.close()
            network.close()

    def _trouble(self, heard: bytes, *, ended: bool) -> str:
        address = self.session.address
        if heard[:1] in (b"\x15", b"\x16") and not address.tls:
            return f"{address} speaks TLS; test it with --tls"
        if heard[:5].lower() in (b"http/", b"<html", b"<!doc"):
            return f"{address} is a web server and not a ChatRoom server"
        if not heard:
            how = "closed the connection without a word" if ended else "is silent"
            hint = "" if address.tls else "; if it speaks TLS, test it with --tls"
            return f"{address} accepts connections and {how} when asked to let somebody join{hint}"
        return ""

    def _measure(self, seconds: float) -> None:
        """Be more patient with a slow server, up to a bound."""
        patience = self.session.patience
        patience.answer = min(2 * patience.answer, max(patience.answer, 10 * seconds))

    def _run_all(self) -> None:
        ordered = self._ordered()
        self.options.progress.started([case.id for case in ordered])
        if self.options.jobs > 1:
            # What may kill comes when the rest is done, and floods have the room for themselves.
            self._run_threads([case for case in ordered if case.risk < Risk.DEADLY])
            self._run_threads([case for case in ordered if case.risk is Risk.DEADLY])
            ordered = [case for case in ordered if case.risk > Risk.DEADLY]
        for case in ordered:
            self._record(self._run_one(case))
            if self.interrupted:
                break
        self._dismiss(*self.session.residents)

    def _run_threads(self, cases: list[Case]) -> None:
        """Run cases side by side, each when all that it needs has run."""
        waiting = list(cases)
        with ThreadPoolExecutor(self.options.jobs) as pool:
            while waiting and not self.interrupted:
                ready = [c for c in waiting if all(n in self.results for n in c.needs)]
                waiting = [case for case in waiting if case not in ready]
                futures = [pool.submit(self._run_one, case) for case in ready]
                try:
                    for future in as_completed(futures):
                        self._record(future.result())
                except KeyboardInterrupt:
                    self.interrupted = True
                    self.options.stop.set()

    def _record(self, result: CaseResult) -> None:
        with self._lock:
            self.results[result.id] = result
            self.options.progress.case_done(result)

    def _run_one(self, case: Case) -> CaseResult:
        if self.death:
            return self._left_out(case, Status.BLOCKED, f"the server died in {self.death.case}")
        if self.interrupted or self.options.stop.is_set():
            self.interrupted = True
            return self._left_out(case, Status.UNTESTED, "interrupted")
        for needed in case.needs:
            if self.results[needed].status not in _FIT:
                return self._left_out(case, Status.BLOCKED, f"needs {needed}")
        if not case.residents and threading.get_ident() in self.session.residents:
            self._dismiss(threading.get_ident())
        with self.session.alone if case.alone else contextlib.nullcontext():
            return self._run_alone(case)

    def _run_alone(self, case: Case) -> CaseResult:
        room = Room(self.session, case.requirements[0], case.id)
        status, reason = self._perform(case, room)
        broken_off = any(client.ended for client in room.clients)
        self._close(room, case)
        result = verdicts.case_result(case, room, status, reason, self._command(case))
        if result.status is not Status.MET or broken_off or case.risk >= Risk.DEADLY:
            heard = any(client.frames_seen for client in room.clients)
            result = self._check_alive(result, heard=heard)
        self.before = result
        return result

    def _dismiss(self, *threads: int) -> None:
        """Let people go who stayed in the room from one case of a thread to the next."""
        for thread in threads:
            room = Room(self.session, "")
            room.clients = self.session.residents.pop(thread, [])
            for resident in room.clients:
                resident.move_to(room)
            room.close()

    def _close(self, room: Room, case: Case) -> None:
        try:
            room.close()
        except KeyboardInterrupt:
            self.interrupted = True
            room.close()
        except Exception:
            self.suite_bug = f"at the end of case {case.id}:\n{traceback.format_exc()}"

    def _perform(self, case: Case, room: Room) -> tuple[Status | None, str]:
        """Run the body: how it ended early, or None if it reached its end."""
        try:
            case.body(room)
        except FailureError:
            return Status.VIOLATED, ""
        except InconclusiveError as stopped:
            return Status.INCONCLUSIVE, str(stopped)
        except NotApplicableError as stopped:
            return Status.NOT_APPLICABLE, str(stopped)
        except (KeyboardInterrupt, StoppedError):
            self.interrupted = True
            return Status.UNTESTED, "interrupted"
        except Exception:
            self.suite_bug = f"in case {case.id}:\n{traceback.format_exc()}"
            return Status.INCONCLUSIVE, "a bug in the suite"
        return None, ""

    def _check_alive(self, result: CaseResult, *, heard: bool) -> CaseResult:
        """Visit once more; a server that is gone, or answers nobody, died of this case.

        If it said nothing at all in this case, it died at the end of the one before.
        """
        if self.interrupted or self.death:
            return result
        try:
            said, ended = self._visit(2 * self.session.patience.answer)
            gone = "" if said or ended else "it accepts connections and answers no join"
        except ServerGoneError as error:
            gone = str(error)
        except (KeyboardInterrupt, StoppedError):
            self.interrupted = True
            return result
        if not gone:
            return result
        blamed = result if heard or self.before is None else self.before
        self.death = Death(blamed.id, f"the server died in case {blamed.id}: {gone}")
        if blamed is result:
            return verdicts.killed(result, self.death.sentence)
        self.results[blamed.id] = verdicts.killed(blamed, self.death.sentence)
        return result

    def _left_out(self, case: Case, status: Status, reason: str) -> CaseResult:
        return verdicts.left_out(case, status, reason, self._command(case))

    def _command(self, case: Case) -> str:
        return f"{self.options.command} {case.id}" if self.options.command else ""

    # ---- summing up

    def _sum_up(self, began: float, started: datetime) -> RunResult:
        ended_early = self.trouble or ("interrupted" if self.interrupted else "")
        cases = []
        for case in self.cases.values():
            if case.id in self.results:
                cases.append(self.results[case.id])
            else:
                why = self._why_not(case) or ended_early or "not needed"
                cases.append(self._left_out(case, Status.UNTESTED, why))
        cases += self.monitors.results(lambda name: name in self.chosen and not self.trouble)
        requirements = verdicts.requirement_results(cases)
        return RunResult(
            target=str(self.session.address),
            verdict=verdicts.verdict(
                requirements,
                strict=self.options.strict,
                broken_off=bool(ended_early or self.death or self.suite_bug),
            ),
            requirements=requirements,
            cases=tuple(cases),
            started=started.strftime("%Y-%m-%dT%H:%M:%SZ"),
            seconds=time.monotonic() - began,
            seed=self.options.seed,
            version=suite_version(),
            specification=specification_version(),
            strict=self.options.strict,
            strangers=self.session.strangers,
            death=self.death,
            trouble=self.trouble,
            suite_bug=self.suite_bug,
            interrupted=self.interrupted,
        )


def _needs_first(ordered: list[Case], cases: dict[str, Case]) -> list[Case]:
    """The same order, but for cases that others need, which come before those."""
    chosen = {case.id for case in ordered}
    result: dict[str, Case] = {}

    def put(case: Case) -> None:
        if case.id not in result:
            for needed in case.needs:
                if needed in chosen:
                    put(cases[needed])
            result[case.id] = case

    for case in ordered:
        put(case)
    return list(result.values())


def suite_version() -> str:
    """The version of the distribution that this suite came with."""
    try:
        return version("chatroom")
    except PackageNotFoundError:
        return "unknown"
