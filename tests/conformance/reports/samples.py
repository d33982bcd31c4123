"""Results to report on: an ordinary run, and one with a server that attacks whoever reads it."""

from __future__ import annotations

from attrs import evolve

from chatroom_conformance.requirements import requirements
from chatroom_conformance.results import (
    BaselineResult,
    CaseResult,
    Check,
    Death,
    Entry,
    Finding,
    RequirementResult,
    RunResult,
    Status,
    Verdict,
    What,
)

BIDI = "\u202e\u2066\u200f\u061c\u2028"
MARKUP = (
    "<script>top.hacked = 1; document.title = 'hacked'</script>"
    "<img src=x onerror='top.hacked = 1'><svg onload=top.hacked=1>"
    "</title></style></textarea></desc></details><x-evil evil=1>&lt;b&gt;\"'><marquee>"
    "<!-- ]]> --><iframe src='javascript:top.hacked=1'></iframe>"
    "<style>*{display:none}</style><a href='javascript:top.hacked=1'>"
)
HOSTILE = f"{MARKUP}\0\x1b[31m\r\n{BIDI}\ud800\ufffe\u0301\u0301\u0301\u0301 'quoted' \"twice\""
LONG = "W" * 65536


def frame(text: str) -> bytes:
    """Octets of a message."""
    return f'{{"message":"{text}","dm":null,"sender":"bob","length":1,"date":"now"}}'.encode(
        "utf-8", "surrogatepass"
    )


def entry(at: float, connection: str, what: What, data: bytes = b"") -> Entry:
    """An entry as the suite keeps it."""
    return Entry(at, connection, what, data[:8192], len(data))


def conversation(data: bytes = frame("hi")) -> tuple[Entry, ...]:
    """A transcript with each kind of entry."""
    return (
        entry(0.0001, "alice", What.CONNECTED),
        entry(0.0002, "alice", What.SENT, b'{"username": "alice-1"}\n'),
        entry(0.0012, "alice", What.RECEIVED, b'{"isConnected":true,"errorCode":-1}'),
        entry(0.0013, "bob", What.CONNECTED),
        entry(0.0014, "bob", What.SENT, data),
        entry(0.12, "alice", What.RECEIVED, data),
        entry(0.121, "", What.NOTE, b"waits for the fence"),
        entry(0.122, "bob", What.RESET),
        entry(0.123, "alice", What.HALF_CLOSED),
        entry(1.5, "alice", What.END_OF_STREAM),
        entry(1.6, "carol", What.CONNECTED),
        entry(1.7, "carol", What.CLOSED),
        entry(1.8, "dave", What.CONNECTED),
        entry(1.9, "dave", What.PEER_RESET),
    )


def case(
    status: Status = Status.MET, name: str = "joining.granted", **changes: object
) -> CaseResult:
    """A case that ended so, with a finding if it failed."""
    found = CaseResult(
        id=name,
        title="a join is granted",
        rule="A server MUST grant a join.",
        area=name.partition(".")[0],
        status=status,
        requirements=("JOIN-3",),
        outcomes={"JOIN-3": status},
        transcript=conversation(),
        seconds=0.004,
        command=f"chatroom-conformance 127.0.0.1:1134 {name}",
    )
    if status in (Status.VIOLATED, Status.DEVIATES):
        check = Check("missing", "alice", {"isConnected": True})
        finding = Finding("JOIN-3", status, "a join response", "nothing came", check)
        found = evolve(found, findings=(finding,))
    elif status is not Status.MET:
        found = evolve(found, reason="for a reason")
    return evolve(found, **changes)  # type: ignore[arg-type]


def run(*cases: CaseResult, verdict: Verdict = Verdict.CONFORMANT, **changes: object) -> RunResult:
    """A run with these cases, and a status for each requirement of the specification."""
    outcomes = {name: status for found in cases for name, status in found.outcomes.items()}
    results = tuple(
        RequirementResult(
            r.id,
            r.level,
            r.role,
            r.area,
            r.text,
            _of_requirement(outcomes.get(r.id, Status.UNTESTED)),
            tuple(found.id for found in cases if r.id in found.requirements),
        )
        for r in requirements().values()
    )
    found = RunResult(
        "127.0.0.1:1134",
        verdict,
        results,
        cases,
        started="2026-01-02T03:04:05Z",
        seconds=1.25,
        seed=7,
        version="1.0.0",
        specification="1",
        strangers=3,
    )
    return evolve(found, **changes)  # type: ignore[arg-type]


def _of_requirement(status: Status) -> Status:
    return Status.INCONCLUSIVE if status is Status.BLOCKED else status


def one_of_each(**changes: object) -> RunResult:
    """A run in which each status occurs."""
    cases = [case(status, f"area{n}.case-{n}") for n, status in enumerate(Status)]
    cases.append(case(name="monitor.utf-8", kind="monitor", frames_checked=1234))
    return run(*cases, verdict=Verdict.NOT_CONFORMANT, **changes)


def hostile() -> RunResult:
    """A run in which everything that a peer or an environment can choose is an attack."""
    found = [
        case(
            Status.VIOLATED,
            "joining.granted",
            findings=(
                Finding("JOIN-3", Status.VIOLATED, HOSTILE, HOSTILE),
                Finding("JOIN-3", Status.VIOLATED, LONG, LONG),
            ),
            transcript=(
                *conversation(HOSTILE.encode("utf-8", "surrogatepass")),
                *conversation(frame(LONG)),
                *conversation(frame("界" * 20000)),
                entry(2, "alice", What.RECEIVED, bytes(range(256)) * 40),
                entry(2, HOSTILE, What.RECEIVED, b"[" * 8192),
                entry(2, LONG, What.NOTE, HOSTILE.encode("utf-8", "surrogatepass")),
            ),
            entries_left_out=12345,
            command=HOSTILE,
        ),
        case(Status.DEVIATES, "joining.other", reason=LONG),
        case(Status.INCONCLUSIVE, "joining.third", reason=HOSTILE),
        case(Status.BLOCKED, "joining.fourth", reason=LONG),
        case(Status.MET, "joining.fifth", transcript=conversation(frame(MARKUP + BIDI))),
        case(Status.UNTESTED, "joining.sixth", reason=HOSTILE),
        case(Status.NOT_APPLICABLE, "joining.seventh", reason=HOSTILE, requirements=("JOIN-4",)),
    ]
    return run(
        *found,
        verdict=Verdict.NOT_CONFORMANT,
        target=HOSTILE,
        death=Death(HOSTILE, HOSTILE),
        trouble=HOSTILE,
        suite_bug=f"Traceback\n{HOSTILE}\n{LONG}",
        interrupted=True,
        baseline=BaselineResult(HOSTILE, ("JOIN-1",), ("JOIN-3",), ("JOIN-2",), (HOSTILE, LONG)),
    )
