"""What a run of the suite found: plain values, from which every report is written.

A report writer needs nothing but a `RunResult`. Bytes and texts in here came from a peer: they are
hostile until escaped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from enum import Enum, IntEnum

from attrs import field, frozen


class Status(str, Enum):
    """What is known of a requirement, or of a case, at the end of a run."""

    MET = "MET"
    VIOLATED = "VIOLATED"
    #: A SHOULD that isn't followed.
    DEVIATES = "DEVIATES"
    #: An extension or a limit that the server doesn't have.
    NOT_APPLICABLE = "NOT APPLICABLE"
    #: Deselected, disruptive without being asked for, a client's duty, or not testable.
    UNTESTED = "UNTESTED"
    #: A fence failed or a step before the check did: nothing was proved.
    INCONCLUSIVE = "INCONCLUSIVE"
    #: Cases only: a case that this one needs didn't pass, or the server was gone.
    BLOCKED = "BLOCKED"


class Verdict(str, Enum):
    """The judgement on the server as a whole."""

    CONFORMANT = "CONFORMANT"
    NOT_CONFORMANT = "NOT CONFORMANT"
    INCONCLUSIVE = "INCONCLUSIVE"


class ExitCode(IntEnum):
    """Exit status of the command."""

    CONFORMANT = 0
    NOT_CONFORMANT = 1
    USAGE = 2
    UNREACHABLE_OR_DIED = 3
    INCONCLUSIVE = 4
    STALE_BASELINE = 5
    SUITE_BUG = 70
    INTERRUPTED = 130


#: Where several hold, the first one in here is the exit status.
EXIT_PRECEDENCE = (
    ExitCode.INTERRUPTED,
    ExitCode.SUITE_BUG,
    ExitCode.USAGE,
    ExitCode.UNREACHABLE_OR_DIED,
    ExitCode.NOT_CONFORMANT,
    ExitCode.STALE_BASELINE,
    ExitCode.INCONCLUSIVE,
    ExitCode.CONFORMANT,
)


class What(str, Enum):
    """Kind of a transcript entry; the suite is the client, the peer is the server."""

    CONNECTED = "connected"
    SENT = "sent"
    #: One whole frame, or octets that are none.
    RECEIVED = "received"
    HALF_CLOSED = "half-closed"  # by the suite: FIN, goes on reading
    CLOSED = "closed"  # by the suite
    RESET = "reset"  # by the suite: RST
    END_OF_STREAM = "end of stream"  # by the server: FIN
    PEER_RESET = "reset by the server"
    NOTE = "note"  # a remark of the suite, in `data` as UTF-8


@frozen
class Entry:
    """One line of a transcript."""

    at: float  #: seconds since the case began
    connection: str  #: the label in the case, e.g. "alice"
    what: What
    data: bytes = b""  #: at most `TRANSCRIPT_OCTETS` of it
    octets: int = 0  #: how many there really were


#: A longer entry keeps its beginning only; `Entry.octets` tells the length.
TRANSCRIPT_OCTETS = 8192
#: A longer transcript keeps its beginning and its end; `CaseResult.entries_left_out` tells how
#: many there were between.
TRANSCRIPT_ENTRIES = 400


@frozen
class Check:
    """A finding in a form that a repro script can look for again.

    `kind`: "missing" (no frame with `members` reached `connection`), "unwanted" (one did), "open"
    (the server didn't end `connection`) or "closed" (it did).
    """

    kind: str
    connection: str
    members: Mapping[str, object] = field(factory=dict)


@frozen
class Finding:
    """One requirement that a case saw broken (or could not decide)."""

    requirement: str
    status: Status  #: VIOLATED, DEVIATES or INCONCLUSIVE
    permitted: str  #: what the specification allows, a clause
    actual: str  #: what was seen instead; may quote the peer
    check: Check | None = None


@frozen
class CaseResult:
    """What became of one case. A monitor (`kind` "monitor") watched the frames of all others."""

    id: str
    title: str  #: one line
    rule: str  #: the specification's sentence, quoted
    area: str
    status: Status
    requirements: tuple[str, ...]
    outcomes: Mapping[str, Status] = field(factory=dict)  #: for each of `requirements`
    findings: tuple[Finding, ...] = ()
    reason: str = ""  #: why it is NOT APPLICABLE, UNTESTED, INCONCLUSIVE or BLOCKED
    transcript: tuple[Entry, ...] = ()
    entries_left_out: int = 0  #: from the middle of the transcript
    seconds: float = 0.0
    kind: str = "case"
    timed: bool = False  #: it had to wait for time to pass
    disruptive: bool = False
    frames_checked: int = 0  #: monitors only
    command: str = ""  #: the command that repeats it

    @property
    def failed(self) -> bool:
        """Whether a requirement was seen broken."""
        return self.status in (Status.VIOLATED, Status.DEVIATES)

    @property
    def expected(self) -> str:
        """What the first finding says would have been permitted."""
        return self.findings[0].permitted if self.findings else ""

    @property
    def actual(self) -> str:
        """What the first finding saw."""
        return self.findings[0].actual if self.findings else ""


@frozen
class RequirementResult:
    """One statement of the specification and what the run says about it."""

    id: str
    level: str  #: the BCP 14 keyword
    role: str  #: "server", "client" or both
    area: str
    text: str
    status: Status
    cases: tuple[str, ...] = ()  #: ids of the cases that cover it, run or not
    reason: str = ""


@frozen
class Death:
    """The server went away during a case."""

    case: str
    sentence: str


@frozen
class BaselineResult:
    """How the run compares with the failures that were known before."""

    path: str
    known: tuple[str, ...] = ()  #: requirement ids that fail as the baseline says
    new: tuple[str, ...] = ()  #: fail, and the baseline doesn't say so
    passes: tuple[str, ...] = ()  #: the baseline says they fail, and they don't
    unmatched: tuple[str, ...] = ()  #: in the baseline, and no requirement

    @property
    def stale(self) -> bool:
        """Whether the baseline file has to be mended."""
        return bool(self.passes or self.unmatched)


@frozen
class RunResult:
    """A whole run."""

    target: str
    verdict: Verdict
    requirements: tuple[RequirementResult, ...]
    cases: tuple[CaseResult, ...]
    started: str = ""  #: RFC 3339, UTC
    seconds: float = 0.0
    seed: int | None = None
    version: str = ""  #: of the suite
    specification: str = ""  #: version of the protocol that was judged
    strict: bool = False
    strangers: int = 0  #: frames of people who aren't ours, left out everywhere
    death: Death | None = None
    trouble: str = ""  #: why nothing could be tested: unreachable, silent, no TLS
    suite_bug: str = ""  #: an exception inside the suite, with its traceback
    interrupted: bool = False
    baseline: BaselineResult | None = None

    @property
    def counts(self) -> dict[Status, int]:
        """How many requirements have each status."""
        found = Counter(requirement.status for requirement in self.requirements)
        return {status: found[status] for status in Status if status is not Status.BLOCKED}

    @property
    def case_counts(self) -> dict[Status, int]:
        """How many cases, monitors included, have each status."""
        found = Counter(case.status for case in self.cases)
        return {status: found[status] for status in Status}

    @property
    def left_out(self) -> tuple[RequirementResult, ...]:
        """The MUSTs for servers that could have been tested, and weren't in this run."""
        return tuple(
            requirement
            for requirement in self.requirements
            if requirement.status is Status.UNTESTED
            and is_must(requirement.level)
            and for_servers(requirement.role)
            and requirement.cases
        )

    @property
    def left_out_words(self) -> str:
        """How many those are, and the options that test them all, if options are what it takes."""
        count = len(self.left_out)
        words = f"{count} MUST{'' if count == 1 else 's'} not tested"
        cases = {case.id: case for case in self.cases}
        options: set[str] = set()
        for requirement in self.left_out:
            ways = [cases[name] for name in requirement.cases if name in cases]
            if not all(way.timed or way.disruptive for way in ways):
                return words
            options.update("--timed" for way in ways if way.timed)
            options.update("--disruptive" for way in ways if way.disruptive)
        return f"{words} without {' and '.join(sorted(options))}" if options else words

    @property
    def exit_code(self) -> ExitCode:
        """The exit status of the command, by precedence."""
        holds = {ExitCode.CONFORMANT}
        if self.interrupted:
            holds.add(ExitCode.INTERRUPTED)
        if self.suite_bug:
            holds.add(ExitCode.SUITE_BUG)
        if self.death or self.trouble:
            holds.add(ExitCode.UNREACHABLE_OR_DIED)
        if self._fails():
            holds.add(ExitCode.NOT_CONFORMANT)
        if self.baseline and self.baseline.stale:
            holds.add(ExitCode.STALE_BASELINE)
        if self.verdict is Verdict.INCONCLUSIVE:
            holds.add(ExitCode.INCONCLUSIVE)
        return next(code for code in EXIT_PRECEDENCE if code in holds)

    def _fails(self) -> bool:
        if self.baseline:
            return bool(self.baseline.new)
        return self.verdict is Verdict.NOT_CONFORMANT


def is_must(level: str) -> bool:
    """Whether a BCP 14 keyword binds absolutely."""
    return level.upper().startswith(("MUST", "SHALL", "REQUIRED"))


def is_should(level: str) -> bool:
    """Whether a BCP 14 keyword may be left out for a good reason."""
    return level.upper().startswith(("SHOULD", "RECOMMENDED", "NOT RECOMMENDED"))


def for_servers(role: str) -> bool:
    """Whether a requirement binds servers (alone, or as everybody)."""
    return role.lower() != "client"
