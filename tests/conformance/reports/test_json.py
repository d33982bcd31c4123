from __future__ import annotations

import base64
import json
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from chatroom_conformance import reports
from chatroom_conformance.reports import json_report
from chatroom_conformance.results import Entry, RunResult, Status, Verdict, What
from tests.conformance.reports import samples

SCHEMA = json.loads(files(reports).joinpath("report.schema.json").read_text(encoding="utf-8"))
VALIDATOR = Draft202012Validator(SCHEMA)
RUNS = {
    "each": samples.one_of_each(),
    "hostile": samples.hostile(),
    "unreachable": RunResult("nowhere:1", Verdict.INCONCLUSIVE, (), (), trouble="No answer."),
}


def _document(result: RunResult) -> Any:
    return json.loads(json_report.render(result))


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("name", RUNS)
def test_the_schema_describes_the_report(name: str) -> None:
    assert [error.message for error in VALIDATOR.iter_errors(_document(RUNS[name]))] == []


@pytest.mark.parametrize("kind", ["", "requirements", "cases"])
def test_no_member_of_the_report_can_be_missing(kind: str) -> None:
    document = _document(samples.one_of_each())
    members = document[kind][0] if kind else document
    for name in list(members):
        value = members.pop(name)
        assert not VALIDATOR.is_valid(document), name
        members[name] = value
    assert VALIDATOR.is_valid(document)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["verdict"], "FINE"),
        (["report_version"], 2),
        (["cases", 0, "status"], "PASS"),
        (["requirements", 0, "status"], "BLOCKED"),
        (["cases", 0, "transcript", 1, "base64"], "AA=="),
        (["cases", 0, "transcript", 1, "what"], "said"),
    ],
)
def test_the_schema_refuses_what_is_wrong(path: list[Any], value: object) -> None:
    document = _document(samples.one_of_each())
    at = document
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    assert not VALIDATOR.is_valid(document)


def test_it_says_what_the_run_found() -> None:
    document = _document(samples.one_of_each())
    assert document["verdict"] == "NOT CONFORMANT"
    assert document["exit_code"] == 1
    assert document["counts"]["cases"]["MET"] == 2
    assert document["counts"]["strangers"] == 3
    failed = next(case for case in document["cases"] if case["status"] == "VIOLATED")
    assert (failed["expected"], failed["actual"]) == ("a join response", "nothing came")
    join = next(found for found in document["requirements"] if found["id"] == "JOIN-3")
    assert join["level"] == "MUST"
    assert failed["id"] in join["cases"]


def test_a_case_without_findings_expects_nothing() -> None:
    [case] = _document(samples.run(samples.case()))["cases"]
    assert (case["expected"], case["actual"]) == (None, None)


def test_the_report_is_ascii_and_has_no_lone_surrogate() -> None:
    report = json_report.render(samples.hostile())
    assert report.isascii()
    json.dumps(json.loads(report), ensure_ascii=False).encode("utf-8")


@given(st.binary(min_size=1) | st.text(min_size=1).map(str.encode))
def test_octets_survive(data: bytes) -> None:
    case = samples.case(transcript=(Entry(0, "a", What.RECEIVED, data, len(data) + 5),))
    [found] = _document(samples.run(case))["cases"][0]["transcript"]
    assert found["octets"] == len(data) + 5
    assert found["complete"] is False
    assert ("text" in found) != ("base64" in found)
    assert data == (
        found["text"].encode() if "text" in found else base64.b64decode(found["base64"])
    )


def test_statuses_of_the_schema_are_those_of_the_suite() -> None:
    assert set(SCHEMA["$defs"]["case_status"]["enum"]) == {status.value for status in Status}
    assert set(SCHEMA["$defs"]["entry"]["properties"]["what"]["enum"]) == {w.value for w in What}
