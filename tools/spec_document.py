"""Reads the numbered statements and the examples out of the specification's source."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SPEC = Path(__file__).resolve().parent.parent / "spec"
DOCUMENT = SPEC / "chatroom-protocol.md"

KEYWORD = re.compile(r"\b(?:MUST NOT|MUST|SHOULD NOT|SHOULD|MAY)\b")
_STATEMENT = re.compile(r"^(?:[-*] )?\*\*\[([A-Z]+)-([1-9][0-9]*)\]\*\* (.*)$")
_ENDS_STATEMENT = re.compile(r"^\s*$|^(?:[-*] |#|\||```|<!--)")
_HEADING = re.compile(r"^#+ (?:Appendix )?([0-9A-D](?:\.?[0-9]+)*)\.? ")
_FENCE = re.compile(r"^```(.*)$")
_SESSION_LINE = re.compile(r"^(\w+)\s*(->|<-) (\{.*\})$")
_ROLES = {"A server": "server", "A client": "client", "An endpoint": "both"}


class SpecificationError(Exception):
    """The document breaks one of its own rules; the text says where and how."""


@dataclass(frozen=True)
class Statement:
    """One numbered statement: id (`JOIN-3`), area (`JOIN`), text on one line, section (`7.2`).

    The section is the number of the last numbered heading above it, empty where there is none.
    """

    id: str
    area: str
    text: str
    section: str = ""

    @property
    def level(self) -> str:
        """The one BCP 14 key word. SpecificationError where there is none, or several."""
        words = KEYWORD.findall(self.text)
        if len(words) != 1:
            raise SpecificationError(f"{self.id} has {len(words)} key words, not one: {self.text}")
        return str(words[0])

    @property
    def role(self) -> str:
        """Whom it binds: `server`, `client` or `both`, by its subject."""
        for subject, role in _ROLES.items():
            if self.text.startswith(subject + " "):
                return role
        raise SpecificationError(f"{self.id} begins with none of {', '.join(_ROLES)}: {self.text}")


@dataclass(frozen=True)
class Example:
    """One frame shown in the document: the schema that it should match, and its JSON text."""

    schema: str
    text: str
    line: int


def statements(source: str) -> list[Statement]:
    """All numbered statements, in the order of the document."""
    found: list[Statement] = []
    section = ""
    lines = source.splitlines()
    for number, line in enumerate(lines):
        heading = _HEADING.match(line)
        section = heading[1] if heading else section
        match = _STATEMENT.match(line)
        if match:
            area, serial, text = match.groups()
            rest = _continuation(lines[number + 1 :])
            found.append(Statement(f"{area}-{serial}", area, " ".join([text, *rest]), section))
    return found


def _continuation(lines: list[str]) -> Iterator[str]:
    for line in lines:
        if _ENDS_STATEMENT.match(line):
            return
        yield line.strip()


def fences(source: str) -> Iterator[tuple[str, int, list[str]]]:
    """Every fenced block as (info string, number of its first line, lines)."""
    info: str | None = None
    body: list[str] = []
    for number, line in enumerate(source.splitlines(), 1):
        match = _FENCE.match(line)
        if match and info is None:
            info, body, start = match.group(1), [], number + 1
        elif match and info is not None:
            yield info, start, body
            info = None
        elif info is not None:
            body.append(line)


def examples(source: str) -> list[Example]:
    """Every frame in a block marked `json SCHEMA`, one a line."""
    return [
        Example(info.removeprefix("json "), line, start + offset)
        for info, start, body in fences(source)
        if info.startswith("json ")
        for offset, line in enumerate(body)
    ]


def sessions(source: str) -> list[list[tuple[str, str, str]]]:
    """Every `session` block as (connection, `->` or `<-`, JSON text) lines."""
    found = []
    for info, start, body in fences(source):
        if info == "session":
            found.append([_session_line(start + i, line) for i, line in enumerate(body)])
    return found


def _session_line(number: int, line: str) -> tuple[str, str, str]:
    match = _SESSION_LINE.match(line)
    if not match:
        raise SpecificationError(f"line {number} is no line of a session: {line}")
    name, arrow, text = match.groups()
    return name, arrow, text
