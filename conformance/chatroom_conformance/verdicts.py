"""From what cases saw to a status per requirement, and to a verdict."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from attrs import evolve

from .registry import Case
from .requirements import requirements
from .results import (
    CaseResult,
    Finding,
    RequirementResult,
    Status,
    Verdict,
    for_servers,
    is_must,
    is_should,
)
from .vocabulary import Room


def case_result(
    case: Case, room: Room, early: Status | None, reason: str, command: str
) -> CaseResult:
    """What a case that has run says about each of its requirements.

    `early` is how it ended before its end, if it did. A requirement that it got to claim counts
    even then.
    """
    findings = tuple(evolve(f, status=blame(f.requirement)) for f in room.findings)
    broken = {finding.requirement: finding.status for finding in findings}
    open_status = Status.MET if early is None else early
    if early is Status.VIOLATED:
        open_status = Status.INCONCLUSIVE
    # What a case is about is met at its end only: a part of it proves nothing.
    proved = room.proved if early is None else room.proved - {room.requirement}
    outcomes = {
        name: broken.get(name) or (Status.MET if name in proved else open_status)
        for name in dict.fromkeys((*case.requirements, *broken))
    }
    return CaseResult(
        id=case.id,
        title=case.title,
        rule=case.rule,
        area=case.area,
        status=worst(outcomes.values()),
        requirements=tuple(outcomes),
        outcomes=outcomes,
        findings=findings,
        reason=reason,
        transcript=room.transcript.entries,
        entries_left_out=room.transcript.left_out,
        seconds=room.transcript.seconds,
        timed=case.timed,
        disruptive=case.disruptive,
        command=command,
    )


def left_out(case: Case, status: Status, reason: str, command: str) -> CaseResult:
    """A case that hasn't run."""
    return CaseResult(
        id=case.id,
        title=case.title,
        rule=case.rule,
        area=case.area,
        status=status,
        requirements=case.requirements,
        outcomes=dict.fromkeys(case.requirements, status),
        reason=reason,
        timed=case.timed,
        disruptive=case.disruptive,
        command=command,
    )


def killed(result: CaseResult, sentence: str) -> CaseResult:
    """The same result, blamed for the death of the server too."""
    name = result.requirements[0]
    finding = Finding(name, Status.VIOLATED, "the server goes on serving", sentence)
    return evolve(
        result,
        status=Status.VIOLATED,
        outcomes={**result.outcomes, name: Status.VIOLATED},
        findings=(finding, *result.findings),
    )


def blame(requirement: str) -> Status:
    """What it is not to keep a requirement: VIOLATED, or DEVIATES for a SHOULD."""
    return Status.DEVIATES if is_should(requirements()[requirement].level) else Status.VIOLATED


#: Of the outcomes of one case, or of the cases of one requirement, the first in here tells.
_WORST_FIRST = (
    Status.VIOLATED,
    Status.DEVIATES,
    Status.INCONCLUSIVE,
    # Blocked says that something else failed, or that the server died later: what is met stays so.
    Status.MET,
    Status.BLOCKED,
    Status.NOT_APPLICABLE,
    Status.UNTESTED,
)


def worst(statuses: Iterable[Status]) -> Status:
    """What tells, of several outcomes."""
    found = set(statuses)
    return next((status for status in _WORST_FIRST if status in found), Status.UNTESTED)


def requirement_results(cases: Collection[CaseResult]) -> tuple[RequirementResult, ...]:
    """One result for each statement of the specification."""
    covering: dict[str, list[CaseResult]] = {}
    for case in cases:
        for name in case.requirements:
            covering.setdefault(name, []).append(case)
    results = []
    for requirement in requirements().values():
        found = covering.get(requirement.id, [])
        status = worst(case.outcomes[requirement.id] for case in found)
        if status is Status.BLOCKED:
            status = Status.INCONCLUSIVE
        telling = next((c for c in found if c.outcomes[requirement.id] is status), None)
        reason = requirement.why_not
        if found and status is not Status.MET:
            blocked = next((c for c in found if c.status is Status.BLOCKED), None)
            reason = (telling or blocked or found[0]).reason
        results.append(
            RequirementResult(
                id=requirement.id,
                level=requirement.level,
                role=requirement.role,
                area=requirement.area,
                text=requirement.text,
                status=status,
                cases=tuple(case.id for case in found),
                reason=reason,
            )
        )
    return tuple(results)


def verdict(
    results: Iterable[RequirementResult], *, strict: bool = False, broken_off: bool = False
) -> Verdict:
    """The judgement: every selected, applicable MUST for servers has to be met.

    Nothing met at all never conforms, nor does a run that was broken off. With `strict` a SHOULD
    counts like a MUST.
    """
    binding = [
        result
        for result in results
        if for_servers(result.role)
        and (is_must(result.level) or (strict and is_should(result.level)))
    ]
    statuses = {result.status for result in binding}
    if statuses & {Status.VIOLATED, Status.DEVIATES}:
        return Verdict.NOT_CONFORMANT
    if broken_off or Status.INCONCLUSIVE in statuses or Status.MET not in statuses:
        return Verdict.INCONCLUSIVE
    return Verdict.CONFORMANT
