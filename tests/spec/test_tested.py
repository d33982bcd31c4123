"""Every requirement has a vector, a case or a monitor of the suite, or a reason why it has none."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest

from chatroom_conformance import monitors
from chatroom_conformance.cases import load_cases
from tests.spec.documents import load, vector_files

REQUIREMENTS = load("requirements.json")["requirements"]
IDS = {entry["id"] for entry in REQUIREMENTS}


def _ids_in(value: Any) -> Iterator[str]:
    """Every id in a member `requirements`, anywhere in a vector file."""
    if isinstance(value, dict):
        yield from value.get("requirements", [])
        for part in value.values():
            yield from _ids_in(part)
    elif isinstance(value, list):
        for part in value:
            yield from _ids_in(part)


@cache
def by_vectors() -> frozenset[str]:
    return frozenset(
        found
        for path in vector_files()
        for found in _ids_in(json.loads(path.read_text(encoding="utf-8")))
    )


@cache
def by_cases() -> frozenset[str]:
    return frozenset(name for case in load_cases().values() for name in case.requirements)


@cache
def by_monitors() -> frozenset[str]:
    return frozenset(rule.requirement for rule in monitors.RULES)


@pytest.mark.parametrize("entry", REQUIREMENTS, ids=lambda entry: entry["id"])
def test_it_is_tested_or_says_why_not(entry: dict[str, str]) -> None:
    if entry["tested"] == "no":
        assert entry["why_not"].endswith(".")
        assert entry["id"] not in by_cases() | by_monitors(), "the suite does test it"
        return
    assert "why_not" not in entry
    how = {"vector": by_vectors(), "case": by_cases(), "monitor": by_monitors()}[entry["tested"]]
    assert entry["id"] in how, f"no {entry['tested']} names it"


def test_whatever_is_tested_is_a_requirement() -> None:
    assert by_vectors() <= IDS
    assert by_cases() <= IDS
    assert by_monitors() <= IDS


def test_a_reason_is_needed_beside_duties_of_clients_and_permissions_only_seldom() -> None:
    servers = [e for e in REQUIREMENTS if e["role"] != "client" and e["level"] != "MAY"]
    untested = [entry["id"] for entry in servers if entry["tested"] == "no"]
    assert len(untested) <= len(servers) // 10, untested
