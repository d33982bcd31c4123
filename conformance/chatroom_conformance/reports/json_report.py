"""The report for programs: one JSON document, described by `report.schema.json` beside this file.

The document is ASCII, so that nothing a peer sent can turn a viewer's text round. Nothing is lost:
octets that don't read as text come as base64.
"""

from __future__ import annotations

import base64
import json

from ..results import (
    BaselineResult,
    CaseResult,
    Entry,
    Finding,
    RequirementResult,
    RunResult,
)
from .text import is_plain

#: Grows when a reader of the report before would read a new one wrong; new members don't do that.
REPORT_VERSION = 1

Json = dict[str, object]


def render(result: RunResult) -> str:
    """The whole run as JSON, with a line feed at its end."""
    return json.dumps(document(result), indent=1) + "\n"


def document(result: RunResult) -> Json:
    """The whole run as values that JSON has."""
    return {
        "report_version": REPORT_VERSION,
        "suite": {"name": "chatroom-conformance", "version": result.version},
        "specification": result.specification,
        "target": _text(result.target),
        "started": result.started,
        "seconds": result.seconds,
        "seed": result.seed,
        "strict": result.strict,
        "verdict": result.verdict.value,
        "exit_code": int(result.exit_code),
        "counts": {
            "requirements": {status.value: n for status, n in result.counts.items()},
            "cases": {status.value: n for status, n in result.case_counts.items()},
            "musts_left_out": len(result.left_out),
            "strangers": result.strangers,
        },
        "death": _death(result),
        "trouble": _text(result.trouble) or None,
        "suite_bug": _text(result.suite_bug) or None,
        "interrupted": result.interrupted,
        "baseline": _baseline(result.baseline),
        "requirements": [_requirement(requirement) for requirement in result.requirements],
        "cases": [_case(case) for case in result.cases],
    }


def _death(result: RunResult) -> Json | None:
    if not result.death:
        return None
    return {"case": _text(result.death.case), "sentence": _text(result.death.sentence)}


def _baseline(baseline: BaselineResult | None) -> Json | None:
    if not baseline:
        return None
    return {
        "path": _text(baseline.path),
        "known": list(baseline.known),
        "new": list(baseline.new),
        "passes": list(baseline.passes),
        "unmatched": [_text(name) for name in baseline.unmatched],
        "stale": baseline.stale,
    }


def _requirement(requirement: RequirementResult) -> Json:
    return {
        "id": requirement.id,
        "level": requirement.level,
        "role": requirement.role,
        "area": requirement.area,
        "text": requirement.text,
        "status": requirement.status.value,
        "reason": _text(requirement.reason),
        "cases": list(requirement.cases),
    }


def _case(case: CaseResult) -> Json:
    return {
        "id": case.id,
        "title": case.title,
        "rule": case.rule,
        "area": case.area,
        "kind": case.kind,
        "status": case.status.value,
        "requirements": list(case.requirements),
        "outcomes": {name: status.value for name, status in case.outcomes.items()},
        "expected": _text(case.expected) if case.findings else None,
        "actual": _text(case.actual) if case.findings else None,
        "findings": [_finding(finding) for finding in case.findings],
        "reason": _text(case.reason),
        "seconds": case.seconds,
        "timed": case.timed,
        "disruptive": case.disruptive,
        "frames_checked": case.frames_checked,
        "command": _text(case.command),
        "transcript": [_entry(entry) for entry in case.transcript],
        "entries_left_out": case.entries_left_out,
    }


def _finding(finding: Finding) -> Json:
    return {
        "requirement": finding.requirement,
        "status": finding.status.value,
        "permitted": _text(finding.permitted),
        "actual": _text(finding.actual),
    }


def _entry(entry: Entry) -> Json:
    found: Json = {
        "at": round(entry.at, 6),
        "connection": _text(entry.connection),
        "what": entry.what.value,
    }
    if not entry.data:
        return found
    found["octets"] = max(entry.octets, len(entry.data))
    found["complete"] = entry.octets <= len(entry.data)
    return {**found, **_octets(entry.data)}


def _octets(data: bytes) -> Json:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = "\0"
    if is_plain(text):
        return {"text": text}
    return {"base64": base64.b64encode(data).decode("ascii")}


def _text(text: str) -> str:
    """A lone surrogate is no Unicode text, and strict readers refuse it: it becomes `\\ud800`."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
