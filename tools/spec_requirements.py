"""Makes spec/requirements.json from the document, and keeps its notes on tests.

Id, level, role, area and text come from the document; `tested` and `why_not` are kept from the
file. A new requirement is given a guess, to be corrected by hand.
"""

from __future__ import annotations

import json
from typing import Any

from tools.spec_document import SPEC, Statement, statements

REQUIREMENTS = SPEC / "requirements.json"
CLIENTS_DUTY = "A duty of clients: the suite plays the clients and judges servers."
PERMISSION = "A permission: nothing that a server does or leaves out can break it."


def read() -> dict[str, Any]:
    """The file as it is, or an empty one."""
    if not REQUIREMENTS.exists():
        return {"version": 1, "requirements": []}
    content: dict[str, Any] = json.loads(REQUIREMENTS.read_text(encoding="utf-8"))
    return content


def updated(source: str, old: dict[str, Any]) -> dict[str, Any]:
    """What the file should be for this document, with the notes on tests of `old`."""
    notes = {entry["id"]: entry for entry in old.get("requirements", [])}
    entries = [_entry(statement, notes.get(statement.id)) for statement in statements(source)]
    return {"version": 1, "requirements": entries}


def _entry(statement: Statement, note: dict[str, str] | None) -> dict[str, str]:
    entry = {
        "id": statement.id,
        "level": statement.level,
        "role": statement.role,
        "area": statement.area,
        "text": statement.text,
    }
    return entry | _tested(entry, note)


def _tested(entry: dict[str, str], note: dict[str, str] | None) -> dict[str, str]:
    if note and note["tested"] == "no":
        return {"tested": "no", "why_not": note["why_not"]}
    if note:
        return {"tested": note["tested"]}
    if entry["role"] == "client":
        return {"tested": "no", "why_not": CLIENTS_DUTY}
    if entry["level"] == "MAY":
        return {"tested": "no", "why_not": PERMISSION}
    return {"tested": "case"}


def dumped(content: dict[str, Any]) -> str:
    """The text of the file."""
    return json.dumps(content, ensure_ascii=False, indent=1) + "\n"
