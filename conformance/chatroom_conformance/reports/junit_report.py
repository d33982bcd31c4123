"""The report for continuous integration: JUnit XML, one test suite for each area.

A run whose exit status isn't 0 has at least one failure or error in it, and a run that ends with 0
has none: what CI shows and what the command says can't differ.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterable, Sequence

from ..results import CaseResult, Entry, ExitCode, RunResult, Status
from . import text

#: Of a failed case the report has this many entries of the transcript, the last ones.
LAST_ENTRIES = 40
#: Of each of them this many columns.
COLUMNS = 400
#: A message is shown in one line of a table.
MESSAGE_COLUMNS = 400

NAME = "chatroom-conformance"


def render(result: RunResult) -> str:
    """The whole run as an XML document."""
    root = ET.Element("testsuites", name=NAME)
    suites = [_run_suite(result)]
    for area, cases in _by_area(result.cases).items():
        suites.append(_area_suite(result, area, cases))
    for suite in suites:
        root.append(suite)
    for name in ("tests", "failures", "errors", "skipped"):
        root.set(name, str(sum(int(suite.get(name, "0")) for suite in suites)))
    root.set("time", _seconds(result.seconds))
    ET.indent(root, " ")
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, "unicode") + "\n"


def _by_area(cases: Iterable[CaseResult]) -> dict[str, list[CaseResult]]:
    found: dict[str, list[CaseResult]] = {}
    for case in cases:
        found.setdefault(case.area, []).append(case)
    return found


def _area_suite(result: RunResult, area: str, cases: Sequence[CaseResult]) -> ET.Element:
    tests = []
    for case in cases:
        test = _testcase(area, case.id.removeprefix(f"{area}."), case.seconds)
        judgement = _judgement(result, case)
        if judgement is not None:
            test.append(judgement)
        tests.append(test)
    return _suite(result, area, tests, sum(case.seconds for case in cases))


def _suite(result: RunResult, name: str, tests: Sequence[ET.Element], seconds: float) -> ET.Element:
    suite = ET.Element("testsuite", name=_clean(name))
    suite.set("tests", str(len(tests)))
    for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(attribute, str(sum(test.find(tag) is not None for test in tests)))
    suite.set("time", _seconds(seconds))
    if result.started:
        suite.set("timestamp", result.started.partition("+")[0].rstrip("Z"))
    suite.extend(tests)
    return suite


def _testcase(area: str, name: str, seconds: float) -> ET.Element:
    return ET.Element(
        "testcase", classname=f"{NAME}.{_clean(area)}", name=_clean(name), time=_seconds(seconds)
    )


# ---- a case


def _judgement(result: RunResult, case: CaseResult) -> ET.Element | None:
    """The child that says what became of a case; None if it was met."""
    if case.status is Status.MET:
        return None
    if case.failed:
        return _failure(result, case)
    if case.status is Status.INCONCLUSIVE and result.exit_code is not ExitCode.CONFORMANT:
        return _element("error", case.status.value, _reason(case), _body(case))
    return _skipped(f"{case.status.value}: {_reason(case)}")


def _failure(result: RunResult, case: CaseResult) -> ET.Element:
    """A failure, or `skipped` for what the exit status doesn't count: known, or a mere SHOULD."""
    broken = {finding.requirement for finding in case.findings}
    if result.baseline:
        counts = bool(broken & set(result.baseline.new))
    else:
        counts = case.status is Status.VIOLATED or result.strict
    if counts and result.exit_code is not ExitCode.CONFORMANT:
        return _element("failure", case.status.value, _message(case), _body(case))
    known = result.baseline and broken <= set(result.baseline.known)
    return _skipped(f"{'known failure' if known else case.status.value}: {_message(case)}")


def _message(case: CaseResult) -> str:
    if not case.findings:
        return _reason(case)
    first = case.findings[0]
    return f"{first.requirement}: permitted: {first.permitted}; actual: {first.actual}"


def _reason(case: CaseResult) -> str:
    return case.reason or "; ".join(finding.actual for finding in case.findings)


def _body(case: CaseResult) -> str:
    lines = [case.rule] if case.rule else []
    for finding in case.findings:
        lines.append(f"{finding.requirement} {finding.status.value}")
        lines.append(f"  permitted: {_short(finding.permitted, COLUMNS)}")
        lines.append(f"  actual:    {_short(finding.actual, COLUMNS)}")
    shown = case.transcript[-LAST_ENTRIES:]
    before = len(case.transcript) - len(shown) + case.entries_left_out
    if before:
        lines.append(f"  ... {before:,} entries before")
    lines += [_entry(entry) for entry in shown]
    if case.command:
        lines.append(f"again: {_short(case.command, COLUMNS)}")
    return "\n".join(lines)


def _entry(entry: Entry) -> str:
    said = _short(text.decode(entry.data.rstrip(b"\n")), COLUMNS)
    octets = f" ({entry.octets:,} octets)" if entry.octets else ""
    return f"  {entry.at * 1000:9.1f} ms  {entry.connection} {entry.what.value}{octets} {said}"


# ---- the run


def _run_suite(result: RunResult) -> ET.Element:
    """What belongs to no case: whether the server could be tested at all, and the baseline."""
    test = _testcase("run", "run", 0.0)
    problem = _problem(result)
    if problem:
        test.append(_element("error", *problem, ""))
    tests = [test]
    if result.baseline:
        tests.append(_baseline(result))
    suite = _suite(result, "run", tests, 0.0)
    properties = ET.Element("properties")
    for name, value in (
        ("target", result.target),
        ("verdict", result.verdict.value),
        ("exit code", str(int(result.exit_code))),
        ("suite version", result.version),
        ("specification", result.specification),
        ("seed", "" if result.seed is None else str(result.seed)),
        ("musts left out", str(len(result.left_out))),
    ):
        if value:
            ET.SubElement(properties, "property", name=name, value=_clean(value))
    suite.insert(0, properties)
    return suite


def _problem(result: RunResult) -> tuple[str, str] | None:
    """Kind and sentence of what went wrong with the run as a whole."""
    if result.suite_bug:
        return "suite bug", result.suite_bug
    if result.interrupted:
        return "interrupted", "The run was interrupted: cases are missing."
    if result.trouble:
        return "no test possible", result.trouble
    if result.death:
        return "server died", f"{result.death.case}: {result.death.sentence}"
    if result.exit_code is ExitCode.INCONCLUSIVE:
        return "inconclusive", "Nothing failed, and not all that was selected could be decided."
    if result.exit_code is ExitCode.NOT_CONFORMANT and not any(c.failed for c in result.cases):
        return "not conformant", "The verdict is NOT CONFORMANT, and no case that ran failed."
    return None


def _baseline(result: RunResult) -> ET.Element:
    test = _testcase("run", "baseline", 0.0)
    baseline = result.baseline
    if baseline and baseline.stale:
        parts = [f"{name} is met now" for name in baseline.passes]
        parts += [f"{name} is no requirement" for name in baseline.unmatched]
        message = f"Stale baseline {baseline.path}: {', '.join(parts)}."
        test.append(_element("error", "stale baseline", message, ""))
    return test


# ---- XML


def _element(tag: str, kind: str, message: str, body: str) -> ET.Element:
    element = ET.Element(tag, type=kind, message=_short(message, MESSAGE_COLUMNS))
    element.text = _clean(body) or None
    return element


def _skipped(message: str) -> ET.Element:
    return ET.Element("skipped", message=_short(message, MESSAGE_COLUMNS))


def _seconds(seconds: float) -> str:
    return f"{seconds:.3f}"


def _short(value: str, columns: int) -> str:
    found, left_out = text.fit(value, columns)
    more = f"... {left_out:,} characters more" if left_out else ""
    return "".join(f"[{shown}]" if token else shown for shown, token in found) + more


def _clean(value: str) -> str:
    """Without the characters that XML can't have, and without those that turn text round."""
    return text.plain(value, keep="\n")
