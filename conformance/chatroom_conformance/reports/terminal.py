"""The report on a terminal, or into a pipe."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TextIO

from ..registry import Case
from ..requirements import requirements
from ..results import (
    CaseResult,
    Entry,
    Finding,
    RequirementResult,
    RunResult,
    Status,
    Verdict,
    What,
    for_servers,
    is_must,
    is_should,
)
from ..vocabulary import LEAVING

#: Of a failed case this many entries of the transcript are shown, in full with `-v`.
LAST_ENTRIES = 12
#: Of one requirement this many findings of a case are shown, all with `-v`.
MOST_FINDINGS = 3
#: Of what went over the wire this many characters are shown in a line.
LINE_CHARACTERS = 160

_COLOURS = {"red": "31", "green": "32", "yellow": "33", "dim": "2", "bold": "1"}
_OF_STATUS = {
    Status.MET: "green",
    Status.VIOLATED: "red",
    Status.DEVIATES: "yellow",
    Status.INCONCLUSIVE: "yellow",
    Status.BLOCKED: "yellow",
}
_OF_VERDICT = {
    Verdict.CONFORMANT: "green",
    Verdict.NOT_CONFORMANT: "red",
    Verdict.INCONCLUSIVE: "yellow",
}
_ARROWS = {
    What.SENT: "->",
    What.RECEIVED: "<-",
    What.END_OF_STREAM: "<-",
    What.PEER_RESET: "<-",
}


def safe(text: str) -> str:
    """A text without anything that a terminal could take as a command, or that turns it round."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )


class Terminal:
    """Writes progress while a run goes on, and the report at its end."""

    def __init__(self, out: TextIO, *, colour: bool, live: bool, verbosity: int = 0) -> None:
        self._out = out
        self._colour = colour
        self._live = live and verbosity == 0
        self._verbosity = verbosity
        self._areas: dict[str, list[str]] = {}
        self._left: dict[str, int] = {}
        self._bad: dict[str, int] = {}
        self._not_applicable: dict[str, int] = {}

    # ---- progress

    def started(self, cases: Sequence[str]) -> None:
        """Note what is going to run; on a terminal each area gets its line."""
        for name in cases:
            self._areas.setdefault(name.partition(".")[0], []).append(name)
        self._left = {area: len(names) for area, names in self._areas.items()}
        self._bad = dict.fromkeys(self._areas, 0)
        self._not_applicable = dict.fromkeys(self._areas, 0)
        if self._live and self._verbosity >= 0:
            for area in self._areas:
                self._print(self._area_line(area))

    def case_done(self, result: CaseResult) -> None:
        """Bring the line of the case's area up to date, or print one when the area is done."""
        area = result.area
        self._left[area] -= 1
        self._not_applicable[area] += result.status is Status.NOT_APPLICABLE
        self._bad[area] += result.status not in (Status.MET, Status.NOT_APPLICABLE)
        if self._verbosity < 0:
            return
        if self._live:
            self._redraw(area)
        elif self._verbosity > 0:
            self._print(self._case_line(result))
        elif not self._left[area]:
            self._print(self._area_line(area))

    def _redraw(self, area: str) -> None:
        up = len(self._areas) - list(self._areas).index(area)
        self._out.write(f"\x1b[{up}A\r\x1b[2K{self._area_line(area)}\x1b[{up}B\r")
        self._out.flush()

    def _area_line(self, area: str) -> str:
        total, left, bad = len(self._areas[area]), self._left[area], self._bad[area]
        mark = self._paint("red", f"{bad} not met") if bad else ""
        if not mark and not left:
            mark = self._paint("green", "ok")
            if self._not_applicable[area]:
                mark += f", {self._not_applicable[area]} not applicable"
        return f"  {area:<12} {total - left:>3}/{total:<3} {mark}".rstrip()

    def _case_line(self, result: CaseResult) -> str:
        status = self._paint(_OF_STATUS.get(result.status, "dim"), f"{result.status.value:<14}")
        reason = f"  ({safe(result.reason)})" if result.reason else ""
        return f"  {status} {result.id}  {result.seconds * 1000:.0f} ms{reason}"

    # ---- report

    def report(self, result: RunResult) -> None:
        """Print what was found; the last line is the verdict."""
        if self._verbosity >= 0:
            self._findings(result)
            self._reasons(result)
            self._summary(result)
        for sentence in (result.death.sentence if result.death else "", result.trouble):
            if sentence:
                self._print(self._paint("red", safe(sentence)))
        if result.suite_bug:
            self._print(self._paint("red", f"a bug in the suite, {result.suite_bug}"))
        self._print(self._verdict_line(result))

    def _findings(self, result: RunResult) -> None:
        order = {Status.VIOLATED: 0, Status.DEVIATES: 1}
        failed = [case for case in result.cases if case.failed]
        for case in sorted(failed, key=lambda case: order[case.status]):
            self._print("")
            self._print(self._paint("bold", f"{case.status.value}  {case.id}"))
            for name in dict.fromkeys(finding.requirement for finding in case.findings):
                self._requirement([f for f in case.findings if f.requirement == name])
            if case.kind == "case":
                self._transcript(case)
            if case.command:
                self._print(self._paint("dim", f"  again: {case.command}"))

    def _requirement(self, findings: Sequence[Finding]) -> None:
        name, status = findings[0].requirement, findings[0].status
        self._print(f"  {self._paint(_OF_STATUS[status], name)}  {requirements()[name].text}")
        shown = findings if self._verbosity > 0 else findings[:MOST_FINDINGS]
        for finding in shown:
            self._print(f"    permitted: {safe(finding.permitted)}")
            self._print(f"    actual:    {safe(finding.actual)}")
        if len(shown) < len(findings):
            self._print(f"    and {len(findings) - len(shown)} more of the kind")

    def _transcript(self, case: CaseResult) -> None:
        entries = case.transcript
        if self._verbosity <= 0:
            entries = entries[: _point(entries)][-LAST_ENTRIES:]
        before = case.transcript.index(entries[0]) + case.entries_left_out if entries else 0
        if before:
            self._print(self._paint("dim", f"    ... {before} entries before"))
        for entry in entries:
            self._print(self._paint("dim", "    " + self._entry(entry)))

    def _entry(self, entry: Entry) -> str:
        if entry.what in (What.SENT, What.RECEIVED, What.NOTE):
            text = safe(entry.data.decode("utf-8", "backslashreplace").rstrip("\n"))
            if len(text) > LINE_CHARACTERS:
                text = f"{text[:LINE_CHARACTERS]}... ({entry.octets:,} octets)"
        else:
            text = entry.what.value
        arrow = _ARROWS.get(entry.what, "--")
        return f"{entry.at * 1000:8.1f} ms  {entry.connection:<10} {arrow} {text}"

    def _reasons(self, result: RunResult) -> None:
        undecided = [case for case in result.cases if case.status is Status.INCONCLUSIVE]
        blocked: dict[str, list[str]] = {}
        for case in result.cases:
            if case.status is Status.BLOCKED:
                blocked.setdefault(case.reason, []).append(case.id)
        if undecided or blocked:
            self._print("")
        for case in undecided:
            self._print(f"{self._paint('yellow', 'INCONCLUSIVE')}  {case.id}: {safe(case.reason)}")
        for reason, names in blocked.items():
            shown = ", ".join(names if self._verbosity > 0 else names[:4])
            more = f" and {len(names) - 4} more" if len(names) > 4 and self._verbosity <= 0 else ""
            self._print(f"{self._paint('yellow', 'BLOCKED')}  {shown}{more}: {safe(reason)}")

    def _summary(self, result: RunResult) -> None:
        self._print("")
        musts = [r for r in result.requirements if _binding(r)]
        shoulds = [r for r in result.requirements if for_servers(r.role) and is_should(r.level)]
        self._print(f"MUST    {_counts(musts)}")
        self._print(f"SHOULD  {_counts(shoulds)}")
        run = [case for case in result.cases if case.kind == "case" and case.seconds]
        timed = [case for case in run if case.timed]
        frames = max((case.frames_checked for case in result.cases), default=0)
        waited = sum(case.seconds for case in timed)
        apart = f", of them {len(timed)} timed ({waited:.1f} s)" if timed else ""
        strangers = f", {result.strangers:,} of them strangers'" if result.strangers else ""
        self._print(
            f"{len(run)} cases in {result.seconds:.2f} s{apart}; "
            f"{frames:,} frames checked{strangers}"
        )
        self._baseline(result)

    def _baseline(self, result: RunResult) -> None:
        baseline = result.baseline
        if not baseline:
            return
        self._print(f"baseline {safe(baseline.path)}: {len(baseline.known)} known failures")
        for words, names in (
            ("fails, and the baseline doesn't say so", baseline.new),
            ("is met now: take it out of the baseline", baseline.passes),
            ("is no requirement: take it out of the baseline", baseline.unmatched),
        ):
            for name in names:
                self._print(self._paint("red", f"  {safe(name)} {words}"))

    def _verdict_line(self, result: RunResult) -> str:
        musts = [r for r in result.requirements if _binding(r)]
        met = sum(r.status is Status.MET for r in musts)
        applicable = sum(r.status not in (Status.UNTESTED, Status.NOT_APPLICABLE) for r in musts)
        deviates = sum(r.status is Status.DEVIATES for r in result.requirements)
        details = [f"{met} of {applicable} MUSTs met"]
        if deviates:
            details.append(f"{deviates} SHOULD not followed")
        if result.left_out:
            details.append(result.left_out_words)
        if result.interrupted:
            details.append("interrupted")
        verdict = self._paint(_OF_VERDICT[result.verdict], result.verdict.value)
        return f"{verdict}  {safe(result.target)}: {', '.join(details)}"

    def _paint(self, colour: str, text: str) -> str:
        return f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m" if self._colour else text

    def _print(self, line: str) -> None:
        print(line, file=self._out, flush=True)


def _point(entries: Sequence[Entry]) -> int:
    """Behind the entry where the last fault was seen, or where the case was over."""
    marks = [at for at, entry in enumerate(entries) if entry.data.endswith(b"is broken here")]
    ends = [at for at, entry in enumerate(entries) if entry.data == LEAVING]
    return marks[-1] + 1 if marks else ends[0] if ends else len(entries)


def _binding(requirement: RequirementResult) -> bool:
    return for_servers(requirement.role) and is_must(requirement.level)


def _counts(found: Sequence[RequirementResult]) -> str:
    untestable = sum(r.status is Status.UNTESTED and not r.cases for r in found)
    parts = []
    for status in Status:
        count = sum(requirement.status is status for requirement in found)
        count -= untestable if status is Status.UNTESTED else 0
        if count:
            parts.append(f"{count} {status.value}")
    if untestable:
        parts.append(f"{untestable} not testable from outside")
    return ", ".join(parts)


def list_cases(out: TextIO, cases: Sequence[Case]) -> None:
    """Print a line for each case: id, marks, requirements."""
    for case in cases:
        marks = [mark for mark in ("timed", "disruptive") if getattr(case, mark)]
        shown = f" ({', '.join(marks)})" if marks else ""
        print(f"{case.id:<40} {', '.join(case.requirements)}{shown}", file=out)
