from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import evolve
from junitparser import Error, Failure, JUnitXml, Skipped

from chatroom_conformance.reports import junit_report
from chatroom_conformance.results import (
    BaselineResult,
    Death,
    ExitCode,
    Finding,
    RunResult,
    Status,
    Verdict,
)
from tests.conformance.reports import samples

#: The common XSD of JUnit reports: attributes and children of each element, in order.
SHAPE: dict[str, tuple[set[str], list[str]]] = {
    "testsuites": (
        {"name", "time", "tests", "failures", "errors", "skipped"},
        ["testsuite"],
    ),
    "testsuite": (
        {"name", "tests", "failures", "errors", "skipped", "time", "timestamp"},
        ["properties", "testcase"],
    ),
    "properties": (set(), ["property"]),
    "property": ({"name", "value"}, []),
    "testcase": ({"name", "classname", "time"}, ["skipped", "error", "failure"]),
    "skipped": ({"message"}, []),
    "error": ({"message", "type"}, []),
    "failure": ({"message", "type"}, []),
}
FAILS = samples.case(Status.VIOLATED, "joining.granted")
DEVIATES = samples.case(Status.DEVIATES, "joining.slow")


def _known(*names: str, new: tuple[str, ...] = (), passes: tuple[str, ...] = ()) -> BaselineResult:
    return BaselineResult("known.json", known=names, new=new, passes=passes)


BAD = Verdict.NOT_CONFORMANT
RUNS: dict[str, RunResult] = {
    "conformant": samples.run(samples.case()),
    "each": samples.one_of_each(),
    "hostile": samples.hostile(),
    "deviates": samples.run(DEVIATES),
    "deviates, strict": samples.run(DEVIATES, verdict=BAD, strict=True),
    "inconclusive": samples.run(verdict=Verdict.INCONCLUSIVE),
    "unreachable": samples.run(verdict=Verdict.INCONCLUSIVE, trouble="No answer."),
    "died": samples.run(FAILS, verdict=BAD, death=Death("joining.granted", "It went away.")),
    "bug": samples.run(suite_bug="Traceback: KeyError"),
    "interrupted": samples.run(samples.case(), interrupted=True),
    "known": samples.run(FAILS, verdict=BAD, baseline=_known("JOIN-3")),
    "new": samples.run(FAILS, verdict=BAD, baseline=_known(new=("JOIN-3",))),
    "stale": samples.run(samples.case(), baseline=_known(passes=("JOIN-3",))),
    "no case failed": samples.run(samples.case(), verdict=BAD),
}


def _read(result: RunResult, folder: Path) -> JUnitXml:
    path = folder / "junit.xml"
    path.write_text(junit_report.render(result), encoding="utf-8")
    return JUnitXml.fromfile(str(path))


def _judgements(report: JUnitXml) -> Iterator[tuple[str, list[object]]]:
    for suite in report:
        for case in suite:
            yield f"{suite.name}/{case.name}", list(case.result)


@pytest.mark.parametrize("name", RUNS)
def test_a_reader_sees_red_where_the_exit_status_is_not_0(name: str, tmp_path: Path) -> None:
    report = _read(RUNS[name], tmp_path)
    bad = [
        case
        for case, found in _judgements(report)
        if any(isinstance(judgement, Failure | Error) for judgement in found)
    ]
    assert bool(bad) == (RUNS[name].exit_code is not ExitCode.CONFORMANT)
    assert report.failures + report.errors == len(bad)


@pytest.mark.parametrize("name", RUNS)
def test_it_has_the_usual_shape(name: str) -> None:
    root = ET.fromstring(junit_report.render(RUNS[name]))
    assert root.tag == "testsuites"
    for element in root.iter():
        attributes, children = SHAPE[element.tag]
        assert set(element.keys()) <= attributes
        places = [children.index(child.tag) for child in element]
        assert places == sorted(places)
        assert element.tag != "testcase" or len(element) <= 1


def test_the_counts_are_right(tmp_path: Path) -> None:
    report = _read(samples.one_of_each(), tmp_path)
    found = [judgement for _, judgements in _judgements(report) for judgement in judgements]
    assert report.tests == len(samples.one_of_each().cases) + 1
    assert report.failures == sum(isinstance(judgement, Failure) for judgement in found) == 1
    assert report.errors == sum(isinstance(judgement, Error) for judgement in found) == 1
    assert report.skipped == sum(isinstance(judgement, Skipped) for judgement in found) == 4
    for suite in report:
        before = (suite.tests, suite.failures, suite.errors, suite.skipped)
        suite.update_statistics()  # type: ignore[no-untyped-call]
        assert before == (suite.tests, suite.failures, suite.errors, suite.skipped)


def test_a_suite_for_each_area(tmp_path: Path) -> None:
    cases = [samples.case(name=f"{area}.x") for area in ("joining", "framing", "joining2")]
    names = [suite.name for suite in _read(samples.run(*cases), tmp_path)]
    assert names == ["run", "joining", "framing", "joining2"]


def test_a_failure_says_requirement_permitted_actual_and_frames(tmp_path: Path) -> None:
    found = dict(_judgements(_read(RUNS["new"], tmp_path)))
    [failure] = found["joining/granted"]
    assert isinstance(failure, Failure)
    assert failure.message == "JOIN-3: permitted: a join response; actual: nothing came"
    assert failure.type == "VIOLATED"
    assert '{"username": "alice-1"}' in failure.text
    assert "again: chatroom-conformance 127.0.0.1:1134 joining.granted" in failure.text


def test_a_known_failure_is_skipped_and_says_so(tmp_path: Path) -> None:
    [skipped] = dict(_judgements(_read(RUNS["known"], tmp_path)))["joining/granted"]
    assert isinstance(skipped, Skipped)
    assert skipped.message.startswith("known failure: JOIN-3")


def test_a_blocked_case_is_no_failure_of_its_own(tmp_path: Path) -> None:
    blocked = samples.case(Status.BLOCKED, "joining.late")
    report = _read(samples.run(FAILS, blocked, verdict=BAD), tmp_path)
    assert (report.failures, report.errors, report.skipped) == (1, 0, 1)


def test_no_character_that_xml_cannot_have() -> None:
    everything = "".join(map(chr, [*range(0x300), 0xD800, 0xFFFE, 0xFFFF, 0x202E, 0x1FFFF]))
    finding = Finding("JOIN-3", Status.VIOLATED, everything, everything)
    case = evolve(FAILS, findings=(finding,), command=everything, rule=everything)
    report = junit_report.render(samples.run(case, verdict=BAD, target=everything))
    assert not re.search("[^\n\x20-\x7e\xa1-\ud7ff\ue000-\ufffd\U00010000-\U0001fffd]", report)
    assert "[U+0000][U+0001]" in ET.fromstring(report).findall(".//failure")[0].text  # type: ignore[operator]


def test_a_long_text_does_not_fill_the_report() -> None:
    assert len(junit_report.render(samples.hostile())) < 100_000
