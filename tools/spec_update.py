"""Brings everything in spec/ that is made from something else into step with it.

requirements.json is made from the document; the blocks of the document between
`<!-- begin generated: NAME -->` and `<!-- end generated -->` from the JSON files and the grammar;
the diagrams from the table of transitions. With --check nothing is written, and what is out of
step is an error.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

from tools import spec_diagrams, spec_requirements
from tools.spec_document import DOCUMENT, SPEC, SpecificationError, statements

_BLOCK = re.compile(
    r"(<!-- begin generated: (?P<name>[a-z ]+) -->\n).*?(<!-- end generated -->)", re.DOTALL
)


def _load(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((SPEC / name).read_text(encoding="utf-8"))
    return content


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def _state_inputs() -> str:
    inputs = _load("states.json")["inputs"]
    return _table(["input", "meaning"], [[given["name"], given["meaning"]] for given in inputs])


def _states(role: str) -> str:
    content = _load("states.json")
    machine = next(entry for entry in content["roles"] if entry["role"] == role)
    states = [[f"`{state['name']}`", state["meaning"]] for state in machine["states"]]
    rows: dict[tuple[str, str, str], list[str]] = {}
    for row in machine["transitions"]:
        key = (row["state"], row["next"], row["does"])
        rows.setdefault(key, []).append(row["input"])
    table = [
        [f"`{state}`", _inputs(inputs, state == machine["final"]), f"`{following}`", does]
        for (state, following, does), inputs in sorted(rows.items(), key=_rests_last(machine))
    ]
    head = ["state", "input", "next state", f"what the {role} does"]
    return _table(["state", "meaning"], states) + "\n" + _table(head, table)


# A state has at most one row of so many inputs: what it makes of everything else.
_MANY = 4


def _inputs(inputs: list[str], is_final: bool) -> str:
    if is_final:
        return "anything"
    return "anything else from the peer" if len(inputs) > _MANY else ", ".join(inputs)


def _rests_last(machine: dict[str, Any]) -> Any:
    order = [state["name"] for state in machine["states"]]
    return lambda row: (order.index(row[0][0]), len(row[1]) > _MANY)


def _errors() -> str:
    content = _load("errors.json")
    codes = [[str(entry["code"]), entry["meaning"]] for entry in content["errorCodes"]]
    ranges = [[f"{r['from']} to {r['to']}", f"for {r['use']}"] for r in content["ranges"]]
    return _table(["code", "meaning"], [*codes, *ranges, ["any other", "not to be used"]])


def _faults(kind: str) -> str:
    rows = [
        [f"`{entry['name']}`", entry["meaning"], ", ".join(entry["requirements"])]
        for entry in _load("errors.json")[kind]
    ]
    return _table(["name", "when", "see"], rows)


def _limits() -> str:
    rows = [
        [
            f"`{limit['name']}`",
            limit["meaning"],
            limit["unit"],
            limit["appliesTo"],
            _number(limit["minimum"], "none"),
            _number(limit["maximum"], "none"),
            _number(limit["reference"], "no limit"),
            ", ".join(limit["requirements"]),
        ]
        for limit in _load("limits.json")["limits"]
    ]
    head = ["name", "of what", "in", "binds", "minimum", "maximum", "reference", "see"]
    return _table(head, rows)


def _number(value: float | None, absent: str) -> str:
    return absent if value is None else f"{value:,}"


def _requirements(source: str, content: dict[str, Any]) -> str:
    sections = {statement.id: statement.section for statement in statements(source)}
    rows = [
        [entry["id"], sections[entry["id"]], entry["level"], entry["role"], _how_tested(entry)]
        for entry in content["requirements"]
    ]
    return _table(["id", "section", "level", "binds", "tested"], rows)


def _how_tested(entry: dict[str, str]) -> str:
    return f"no: {entry['why_not']}" if entry["tested"] == "no" else entry["tested"]


def _grammar() -> str:
    return "```abnf\n" + (SPEC / "grammar.abnf").read_text(encoding="utf-8") + "```\n"


def filled(source: str, requirements: dict[str, Any]) -> str:
    """The document with every generated block made anew."""
    blocks = {
        "state inputs": _state_inputs,
        "states server": lambda: _states("server"),
        "states client": lambda: _states("client"),
        "errors": _errors,
        "violations": lambda: _faults("violations"),
        "rejections": lambda: _faults("rejections"),
        "limits": _limits,
        "requirements": lambda: _requirements(source, requirements),
        "grammar": _grammar,
    }

    def fill(match: re.Match[str]) -> str:
        name = match["name"]
        if name not in blocks:
            raise SpecificationError(f"no block is called {name!r}; known: {', '.join(blocks)}")
        return match[1] + blocks[name]() + match[3]

    return _BLOCK.sub(fill, source)


def generated() -> dict[Path, str]:
    """Every file that is made from another, with the text that it should have."""
    source = DOCUMENT.read_text(encoding="utf-8")
    requirements = spec_requirements.updated(source, spec_requirements.read())
    texts = {
        spec_requirements.REQUIREMENTS: spec_requirements.dumped(requirements),
        DOCUMENT: filled(source, requirements),
    }
    for role, svg in spec_diagrams.diagrams().items():
        texts[SPEC / f"states-{role}.svg"] = svg
    return texts


def main(arguments: list[str] | None = None) -> int:
    """Write what is out of step, or with --check name it; exit status 1 for that or an error."""
    parser = argparse.ArgumentParser(prog="spec-update", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail where it would")
    options = parser.parse_args(arguments)
    try:
        stale = {
            path: text
            for path, text in generated().items()
            if not path.exists() or path.read_text(encoding="utf-8") != text
        }
    except SpecificationError as error:
        print(f"spec-update: {error}", file=sys.stderr)
        return 1
    for path, text in stale.items():
        print(f"spec-update: {path.name} {'is out of step' if options.check else 'is made anew'}")
        if not options.check:
            path.write_text(text, encoding="utf-8")
    return 1 if options.check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
