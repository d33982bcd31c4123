"""What several tests of the specification look at: its files, its grammar, its schemas."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from abnf import ParseError, Rule
from jsonschema import Draft202012Validator

from tools.spec_document import DOCUMENT, SPEC

SOURCE = DOCUMENT.read_text(encoding="utf-8")
GRAMMAR = SPEC / "grammar.abnf"
SCHEMAS = SPEC / "schemas"
_EXCEPT = re.compile(r"^([a-z0-9-]+) +=.*; except ([a-z0-9-]+)$", re.MULTILINE)


def load(name: str) -> Any:
    return json.loads((SPEC / name).read_text(encoding="utf-8"))


@cache
def schema(name: str) -> Draft202012Validator:
    return Draft202012Validator(json.loads((SCHEMAS / f"{name}.json").read_text(encoding="utf-8")))


def schema_names() -> list[str]:
    return sorted(path.stem for path in SCHEMAS.glob("*.json"))


@cache
def grammar() -> type[Rule]:
    """The grammar as a parser, with what its comments except taken away."""

    class Grammar(Rule):
        pass

    text = GRAMMAR.read_text(encoding="utf-8")
    Grammar.load_grammar(text)
    for name, excepted in _EXCEPT.findall(text):
        Grammar(name).exclude_rule(Grammar(excepted))
    return Grammar


@cache
def matches(rule: str, octets: bytes) -> bool:
    """Whether all of `octets` is a `rule`. The grammar's characters are octets."""
    try:
        grammar()(rule).parse_all(octets.decode("latin-1"))
    except ParseError:
        return False
    return True


def vector_files() -> list[Path]:
    return sorted((SPEC / "vectors").rglob("*.json"))
