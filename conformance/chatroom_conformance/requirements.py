"""The numbered statements of the specification, as the suite finds them beside itself."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from attrs import frozen


@frozen
class Requirement:
    """One numbered statement. `why_not` says why the suite can't test it, if it can't."""

    id: str
    level: str
    role: str
    area: str
    text: str
    tested: str = ""
    why_not: str = ""


class SpecificationMissingError(Exception):
    """The installation lacks the machine-readable half of the specification."""


@cache
def spec_folder() -> Path:
    """The folder `spec`: inside the package when it is installed, at the top of a checkout.

    Raises:
        SpecificationMissingError: it is at neither place.
    """
    package = Path(__file__).resolve().parent
    for folder in (package / "spec", package.parent.parent / "spec"):
        if (folder / "requirements.json").is_file():
            return folder
    raise SpecificationMissingError(f"no spec/requirements.json beside {package}")


@cache
def requirements() -> dict[str, Requirement]:
    """All statements by id, in the order of the file."""
    document = json.loads((spec_folder() / "requirements.json").read_text(encoding="utf-8"))
    found = {}
    for entry in document["requirements"]:
        known = {key: entry[key] for key in ("id", "level", "role", "area", "text")}
        requirement = Requirement(
            **known, tested=entry.get("tested", ""), why_not=entry.get("why_not", "")
        )
        found[requirement.id] = requirement
    return found


def specification_version() -> str:
    """The version of the protocol that the statements describe."""
    document = json.loads((spec_folder() / "requirements.json").read_text(encoding="utf-8"))
    return str(document.get("version", ""))
