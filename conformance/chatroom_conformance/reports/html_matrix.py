"""The requirements in the HTML report: a tile for each, then the statements themselves."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Iterable, Sequence

from ..results import RequirementResult, Status, is_must
from .html_parts import anchor, badge, case_links, kind, legend, mark, prose


def matrix(requirements: Iterable[RequirementResult]) -> str:
    """The section: tiles by area, each a link to the statement below."""
    areas: dict[str, list[RequirementResult]] = {}
    for requirement in requirements:
        areas.setdefault(requirement.area, []).append(requirement)
    if not areas:
        return ""
    tiles = "".join(
        f"<dt>{html.escape(area)}</dt><dd>{''.join(_tile(r) for r in found)}</dd>"
        for area, found in areas.items()
    )
    statements = "".join(_area(area, found) for area, found in areas.items())
    return (
        '<section aria-labelledby="requirements"><h2 id="requirements">Requirements</h2>'
        '<p class="dim">A tile for each statement of the specification, by area. '
        "A dashed frame is a SHOULD or a MAY.</p>"
        f'<dl class="panel matrix">{tiles}</dl>{statements}</section>'
    )


def _tile(requirement: RequirementResult) -> str:
    number = requirement.id.rpartition("-")[2]
    should = "" if is_must(requirement.level) else " should"
    words = f"{requirement.id}, {requirement.level}: {requirement.status.value}"
    return (
        f'<a class="tile {kind(requirement.status)}{should}" '
        f'href="#{anchor("r", requirement.id)}" title="{html.escape(words)}" '
        f'aria-label="{html.escape(words)}">'
        f"{html.escape(number)} <b>{mark(requirement.status)}</b></a>"
    )


def _area(area: str, found: Sequence[RequirementResult]) -> str:
    counted = Counter(requirement.status for requirement in found)
    counts = {status: counted[status] for status in Status}
    return (
        f'<details class="area"><summary><h3>{html.escape(area)}</h3>{legend(counts)}</summary>'
        '<div class="in"><table class="rows"><thead><tr><th scope="col">Id<th scope="col">Level'
        '<th scope="col">Status<th scope="col">Statement</thead><tbody>'
        f"{''.join(_row(requirement) for requirement in found)}</tbody></table></div></details>"
    )


def _row(requirement: RequirementResult) -> str:
    notes = []
    if requirement.reason:
        notes.append(prose(requirement.reason))
    if requirement.cases:
        notes.append(f"Cases: {case_links(requirement.cases)}")
    small = "".join(f"<small>{note}</small>" for note in notes)
    return (
        f'<tr id="{anchor("r", requirement.id)}"><td class="id">{html.escape(requirement.id)}'
        f'<td class="level">{html.escape(requirement.level)}<td>{badge(requirement.status)}'
        f'<td class="wide">{prose(requirement.text)}{small}'
    )
