"""The report for people: one HTML page that works offline, without scripts, and on a phone.

Everything that a peer sent is hostile: it reaches the page through `text.escape` or `text.markup`
only, and a policy in the page's head forbids scripts and loads all the same.
"""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.resources import files
from itertools import groupby

from ..results import (
    CaseResult,
    Finding,
    RequirementResult,
    RunResult,
    Status,
    Verdict,
    for_servers,
    is_must,
)
from .html_matrix import matrix
from .html_parts import (
    BRIEF,
    FULL,
    anchor,
    badge,
    case_links,
    kind,
    legend,
    prose,
    repeat,
    requirement_links,
    wire,
)

#: The first failures show their diagram at once, and so many show their transcript nearly whole.
DRAWN_FAILURES = 3
FULL_FAILURES = 25
#: So many are unfolded.
OPEN_FAILURES = 12
#: The overview names so many cases for a requirement.
OVERVIEW_CASES = 5
#: A failure with more findings of one requirement shows the first of them.
FINDINGS = 8

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_VERDICTS = {
    Verdict.CONFORMANT: ("met", "✓"),
    Verdict.NOT_CONFORMANT: ("violated", "✗"),
    Verdict.INCONCLUSIVE: ("inconclusive", "?"),
}
_FAILED = (Status.VIOLATED, Status.DEVIATES)


def render(result: RunResult) -> str:
    """The whole run as one page."""
    title = f"{result.verdict.value}: {prose(result.target)}"
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{_without_tags(title)} · ChatRoom conformance</title>\n"
        f"<style>\n{_style()}</style></head>\n<body>"
        '<a class="skip" href="#main">Skip to the findings</a>'
        f"{_header(result)}\n"
        f'<main id="main">{_problems(result)}{_failures(result)}{_undecided(result)}'
        f"\n{matrix(result.requirements)}\n{_cases(result)}</main>\n{_footer(result)}</body></html>\n"
    )


@cache
def _style() -> str:
    return files(__package__).joinpath("style.css").read_text(encoding="utf-8")


def _without_tags(title: str) -> str:
    """A title's tokens as text: elements inside `<title>` would be shown as source."""
    for tag in ('<kbd class="u">', "</kbd>", '<em class="more">', "</em>"):
        title = title.replace(tag, " ")
    return title


# ---- the verdict


def _header(result: RunResult) -> str:
    style, symbol = _VERDICTS[result.verdict]
    return (
        "<header><h1>ChatRoom conformance report</h1>"
        f'<div class="verdict {style}"><div class="mark" aria-hidden="true">{symbol}</div>'
        f'<div><p class="word">{result.verdict.value}</p>'
        f'<p class="target">{prose(result.target)}</p></div>'
        f'<div class="counts"><p>{_summary(result)}</p>{_bar(result)}{legend(_counts(result))}'
        f"{_facts(result)}</div></div>{_navigation(result)}</header>"
    )


def _counts(result: RunResult) -> dict[Status, int]:
    """Requirements by status, the worst first."""
    order = (*_FAILED, Status.INCONCLUSIVE, Status.MET, Status.NOT_APPLICABLE, Status.UNTESTED)
    return {status: result.counts[status] for status in order}


def _summary(result: RunResult) -> str:
    musts = [r for r in result.requirements if for_servers(r.role) and is_must(r.level)]
    met = sum(r.status is Status.MET for r in musts)
    judged = sum(r.status not in (Status.UNTESTED, Status.NOT_APPLICABLE) for r in musts)
    parts = [f"<strong>{met} of {judged}</strong> absolute requirements on servers met"]
    deviates = result.counts[Status.DEVIATES]
    if deviates:
        parts.append(f"{deviates} SHOULD not followed")
    if result.left_out:
        parts.append(result.left_out_words)
    return ", ".join(parts) + "."


def _bar(result: RunResult) -> str:
    """A bar of the counts; the legend beside says the same in words."""
    parts = "".join(
        f'<i class="{kind(status)}" style="flex-grow:{count}"></i>'
        for status, count in _counts(result).items()
        if count
    )
    return f'<div class="bar" aria-hidden="true">{parts}</div>' if parts else ""


def _facts(result: RunResult) -> str:
    run = [case for case in result.cases if case.kind == "case" and case.seconds]
    frames = max((case.frames_checked for case in result.cases), default=0)
    facts = [
        ("Started", prose(result.started.replace("T", " "))),
        ("Took", f"{result.seconds:.2f} s"),
        ("Cases run", f"{len(run):,} of {sum(c.kind == 'case' for c in result.cases):,}"),
        ("Frames checked", f"{frames:,}"),
        ("Strangers’ frames", f"{result.strangers:,}"),
        ("Seed", "" if result.seed is None else str(result.seed)),
        ("Specification", prose(result.specification)),
        ("Suite", prose(result.version)),
        ("Exit status", f"{int(result.exit_code)}{' (strict)' if result.strict else ''}"),
    ]
    shown = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in facts if value)
    return f'<dl class="facts">{shown}</dl>'


def _navigation(result: RunResult) -> str:
    links = [
        ("failures", "Failures", any(case.failed for case in result.cases)),
        ("undecided", "Undecided", any(_is_undecided(case) for case in result.cases)),
        ("requirements", "Requirements", bool(result.requirements)),
        ("cases", "Cases", bool(result.cases)),
    ]
    shown = "".join(f'<li><a href="#{name}">{words}</a>' for name, words, there in links if there)
    return f'<nav aria-label="Parts of the report"><ul>{shown}</ul></nav>' if shown else ""


# ---- what is wrong with the run


def _problems(result: RunResult) -> str:
    alerts = []
    if result.trouble:
        alerts.append(_alert("violated", "The server could not be tested", prose(result.trouble)))
    if result.death:
        case = f"<p>During the case {_case_link(result.death.case)}.</p>"
        sentence = f"<p>{prose(result.death.sentence)}</p>"
        alerts.append(_alert("violated", "The server died", sentence + case))
    if result.suite_bug:
        bug = html.escape("\n").join(prose(line) for line in result.suite_bug.splitlines()[-60:])
        words = "<p>No verdict on the server. Please report this:</p>"
        alerts.append(_alert("inconclusive", "A bug in the suite", f"{words}<pre>{bug}</pre>"))
    if result.interrupted:
        words = "Cases that had not run by then are UNTESTED."
        alerts.append(_alert("inconclusive", "The run was interrupted", words))
    return "".join(alerts) + _baseline(result)


def _baseline(result: RunResult) -> str:
    baseline = result.baseline
    if not baseline:
        return ""
    lists = "".join(
        f"<li>{words}: {requirement_links(names)}"
        for words, names in (
            ("fail, and the baseline does not say so", baseline.new),
            ("met now, take them out of the baseline", baseline.passes),
            ("known failures", baseline.known),
        )
        if names
    )
    if baseline.unmatched:
        names = ", ".join(prose(name) for name in baseline.unmatched)
        lists += f"<li>no requirement, take them out of the baseline: {names}"
    style = "violated" if baseline.new else "deviates" if baseline.stale else "met"
    title = f"Compared with the baseline {prose(baseline.path)}"
    return _alert(style, title, f"<ul>{lists or '<li>nothing fails'}</ul>")


def _alert(style: str, title: str, body: str) -> str:
    return f'<section class="alert {style}"><h2 style="margin-top:0">{title}</h2>{body}</section>'


def _case_link(name: str) -> str:
    return f'<a href="#{anchor("c", name)}">{prose(name)}</a>'


# ---- failures


def _failures(result: RunResult) -> str:
    failed = [case for case in result.cases if case.failed]
    if not failed:
        return ""
    texts = {requirement.id: requirement for requirement in result.requirements}
    blamed = _blamed(failed)
    cards = [_failure(case, texts, place) for place, case in enumerate(_worst_first(failed))]
    more = cards[OPEN_FAILURES:]
    folded = (
        f"<details><summary>{_many(len(more), 'failure')} more</summary>{''.join(more)}</details>"
    )
    return (
        '<section aria-labelledby="failures"><h2 id="failures">Failures</h2>'
        f'<p class="dim">{_many(len(failed), "case")} failed, '
        f"{_many(len(blamed), 'requirement')} blamed.</p>"
        f"{_overview(blamed, texts) if len(failed) > 1 else ''}"
        f"{''.join(cards[:OPEN_FAILURES])}{folded if more else ''}</section>"
    )


def _blamed(failed: Iterable[CaseResult]) -> dict[str, list[str]]:
    """Requirements that failures blame, each with the cases that do."""
    found: dict[str, list[str]] = {}
    for case in failed:
        for name in dict.fromkeys(finding.requirement for finding in case.findings):
            found.setdefault(name, []).append(case.id)
    return found


def _worst_first(failed: Iterable[CaseResult]) -> list[CaseResult]:
    """Violations before deviations; of each, first those that blame something new."""
    seen: set[str] = set()
    keys: list[tuple[int, bool, int, CaseResult]] = []
    for case in sorted(failed, key=lambda case: _FAILED.index(case.status)):
        blames = {finding.requirement for finding in case.findings}
        keys.append((_FAILED.index(case.status), blames <= seen, len(keys), case))
        seen |= blames
    return [case for *_, case in sorted(keys, key=lambda key: key[:3])]


def _overview(blamed: dict[str, list[str]], texts: dict[str, RequirementResult]) -> str:
    rows = []
    for name, cases in blamed.items():
        requirement = texts.get(name)
        level = html.escape(requirement.level) if requirement else ""
        said = f"{prose(requirement.text)}" if requirement else ""
        links = case_links(cases[:OVERVIEW_CASES])
        left_out = len(cases) - OVERVIEW_CASES
        more = f" and {left_out:,} more" if left_out > 0 else ""
        rows.append(
            f'<tr><td class="id">{requirement_links([name])}<td class="level">{level}'
            f'<td class="wide">{said}<small>Failed: {links}{more}</small>'
        )
    return (
        '<div class="panel"><table class="rows"><thead>'
        '<tr><th scope="col">Blamed<th scope="col">Level'
        f'<th scope="col">Statement</thead><tbody>{"".join(rows)}</tbody></table></div>'
    )


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _failure(case: CaseResult, texts: dict[str, RequirementResult], place: int) -> str:
    by_requirement = groupby(
        sorted(case.findings, key=lambda finding: finding.requirement),
        key=lambda finding: finding.requirement,
    )
    findings = "".join(_findings(texts.get(name), name, list(f)) for name, f in by_requirement)
    detail = FULL if place < FULL_FAILURES else BRIEF
    return (
        f'<article class="card {kind(case.status)}" id="{anchor("c", case.id)}">'
        f'<div class="head">{badge(case.status)}<h3>{prose(case.id)}</h3></div>'
        f"{_title(case)}"
        f"{findings}{_reason(case)}{repeat(case)}"
        f"{wire(case, detail, drawn=place < DRAWN_FAILURES)}</article>"
    )


def _findings(requirement: RequirementResult | None, name: str, findings: Sequence[Finding]) -> str:
    level = f" · {html.escape(requirement.level)}" if requirement else ""
    said = f"<blockquote>{prose(requirement.text)}</blockquote>" if requirement else ""
    lists = "".join(
        f"<dl><dt>Permitted</dt><dd>{prose(finding.permitted)}</dd>"
        f'<dt>Actual</dt><dd class="actual">{prose(finding.actual)}</dd></dl>'
        for finding in findings[:FINDINGS]
    )
    left_out = len(findings) - FINDINGS
    more = f'<p class="dim">and {_many(left_out, "finding")} more</p>' if left_out > 0 else ""
    return (
        f'<div class="finding"><strong>{requirement_links([name])}</strong>{level}'
        f"{said}{lists}{more}</div>"
    )


def _title(case: CaseResult) -> str:
    """The title, unless the id says the same words."""
    words = case.id.replace(".", " ").replace("-", " ")
    return "" if words.endswith(case.title) else f'<p class="dim">{prose(case.title)}</p>'


def _reason(case: CaseResult) -> str:
    return f"<p>{prose(case.reason)}</p>" if case.reason else ""


# ---- what was not decided


def _is_undecided(case: CaseResult) -> bool:
    return case.status in (Status.INCONCLUSIVE, Status.BLOCKED)


def _undecided(result: RunResult) -> str:
    found = [case for case in result.cases if _is_undecided(case)]
    if not found:
        return ""
    found.sort(key=lambda case: case.status is Status.BLOCKED)
    rows = "".join(
        f"<tr><td>{badge(case.status)}<td>{_case_link(case.id)}"
        f'<td class="wide">{prose(case.reason or case.actual)}'
        for case in found
    )
    return (
        '<section aria-labelledby="undecided"><h2 id="undecided">Undecided</h2>'
        '<p class="dim">These cases proved nothing: a step before the check failed, '
        "or a case that they need did.</p>"
        '<div class="panel"><table class="rows"><thead>'
        '<tr><th scope="col">Status<th scope="col">Case'
        f'<th scope="col">Why</thead><tbody>{rows}</tbody></table></div></section>'
    )


# ---- all cases


def _cases(result: RunResult) -> str:
    areas: dict[str, list[CaseResult]] = {}
    for case in result.cases:
        areas.setdefault(case.area, []).append(case)
    if not areas:
        return ""
    shown = "\n".join(_case_area(area, found) for area, found in areas.items())
    return (
        '<section aria-labelledby="cases"><h2 id="cases">Cases</h2>'
        '<p class="dim">Every case with the frames it sent and received. '
        f"The JSON report has the whole transcripts.</p>{shown}</section>"
    )


def _case_area(area: str, cases: Iterable[CaseResult]) -> str:
    found = list(cases)
    counted = Counter(case.status for case in found)
    counts = {status: counted[status] for status in Status}
    return (
        f'<details class="area"><summary><h3>{prose(area)}</h3>{legend(counts)}</summary>'
        f'<div class="in">{"".join(_case(case) for case in found)}</div></details>'
    )


def _case(case: CaseResult) -> str:
    head = f'{badge(case.status)} {prose(case.id)} <span class="dim">{_took(case)}</span>'
    if case.failed:
        return f'<p class="case">{head} <a href="#{anchor("c", case.id)}">see above</a></p>'
    rule = f"<blockquote>{prose(case.rule)}</blockquote>" if case.rule else ""
    return (
        f'<details class="case" id="{anchor("c", case.id)}"><summary>{head}</summary>'
        f'<div class="in">{_title(case)}{rule}'
        f"<p>Requirements: {requirement_links(case.requirements)}</p>"
        f"{_reason(case)}{repeat(case) if case.transcript else ''}"
        f"{wire(case, BRIEF, drawn=True)}</div></details>"
    )


def _took(case: CaseResult) -> str:
    marks = [word for word in ("timed", "disruptive") if getattr(case, word)]
    if case.kind == "monitor":
        marks.append(f"{case.frames_checked:,} frames checked")
    elif case.seconds:
        marks.insert(0, f"{case.seconds * 1000:,.0f} ms")
    return ", ".join(marks)


def _footer(result: RunResult) -> str:
    return (
        f"<footer>Written by chatroom-conformance {prose(result.version)}. "
        '<kbd class="u">U+202E</kbd> and the like stand for characters that do not show, '
        '<kbd class="u">0xFF</kbd> for octets that are not UTF-8.</footer>'
    )
