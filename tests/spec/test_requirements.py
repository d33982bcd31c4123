"""The numbered statements, and the file that is made of them."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from tests.spec.documents import SCHEMAS, SOURCE, load
from tools import spec_update
from tools.spec_document import (
    KEYWORD,
    SpecificationError,
    Statement,
    fences,
    statements,
)

STATEMENTS = statements(SOURCE)
REQUIREMENTS = load("requirements.json")["requirements"]
BY_ID = {entry["id"]: entry for entry in REQUIREMENTS}


def test_everything_generated_is_up_to_date() -> None:
    stale = [
        path.name
        for path, text in spec_update.generated().items()
        if path.read_text(encoding="utf-8") != text
    ]
    assert not stale, "run `make spec`"


def test_ids_are_unique() -> None:
    assert [key for key, count in Counter(s.id for s in STATEMENTS).items() if count > 1] == []


def test_document_and_file_have_the_same_statements() -> None:
    fields = ("id", "level", "role", "area", "text")
    in_document = [(s.id, s.level, s.role, s.area, s.text) for s in STATEMENTS]
    assert in_document == [tuple(entry[name] for name in fields) for entry in REQUIREMENTS]


@pytest.mark.parametrize("statement", STATEMENTS, ids=lambda statement: statement.id)
def test_a_statement_has_one_key_word_one_subject_and_an_end(statement: Statement) -> None:
    assert statement.level
    assert statement.role in ("server", "client", "both")
    assert statement.text.endswith(".")
    assert statement.text.count(". ") == 0, "a reason stands apart"


def test_key_words_are_in_statements_only() -> None:
    kept = {line for _, _, body in fences(SOURCE) for line in body}
    introduction = "The key words MUST, MUST NOT, SHOULD, SHOULD NOT and MAY"
    loose = [
        line
        for line in SOURCE.splitlines()
        if KEYWORD.search(line)
        and not re.match(r"- \*\*\[[A-Z]+-\d+\]\*\* ", line)
        and not re.match(r"\| [A-Z]+-\d+ \| ", line)
        and line not in kept
        and introduction not in line
    ]
    assert loose == []


def test_every_id_mentioned_exists() -> None:
    areas = {statement.area for statement in STATEMENTS}
    mentioned = set(re.findall(r"\b[A-Z]+-[1-9][0-9]*\b", SOURCE))
    mentioned |= {
        name
        for file in ("errors.json", "limits.json")
        for entries in load(file).values()
        if isinstance(entries, list)
        for entry in entries
        for name in entry.get("requirements", [])
    }
    dangling = {name for name in mentioned - set(BY_ID) if name.split("-")[0] in areas}
    assert dangling == set()


def test_every_area_mentioned_exists() -> None:
    areas = {statement.area for statement in STATEMENTS}
    schemas = [path.read_text(encoding="utf-8") for path in SCHEMAS.iterdir()]
    mentioned = set(re.findall(r"\[([A-Z]{2,})\]", " ".join(schemas)))
    assert mentioned
    assert mentioned <= areas


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("A server MUST do this and MAY do that.", "2 key words"),
        ("A server does this.", "0 key words"),
        ("The server MUST do this.", "begins with none of"),
    ],
)
def test_a_statement_that_breaks_the_rules_is_named(text: str, complaint: str) -> None:
    statement = statements(f"- **[JOIN-3]** {text}")[0]
    with pytest.raises(SpecificationError, match=f"JOIN-3 .*{complaint}"):
        _ = (statement.level, statement.role)


def test_a_statement_ends_where_its_paragraph_does() -> None:
    source = (
        "- **[A-1]** A server MUST\n  stop.\n- **[A-2]** A client MAY go.\n\n**[A-3]** An\nx.\n\ny"
    )
    assert [s.text for s in statements(source)] == [
        "A server MUST stop.",
        "A client MAY go.",
        "An x.",
    ]
