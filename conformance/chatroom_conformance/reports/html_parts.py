"""The parts that the HTML report is made of: a status, a case, its diagram and its bytes."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence

from attrs import frozen

from ..results import CaseResult, Entry, Status, What
from . import sequence, text

#: Of an explanation this much is shown; the JSON report has the rest.
TEXT_COLUMNS = 800

_MARKS = {
    Status.MET: "✓",
    Status.VIOLATED: "✗",
    Status.DEVIATES: "!",
    Status.NOT_APPLICABLE: "–",
    Status.UNTESTED: "○",
    Status.INCONCLUSIVE: "?",
    Status.BLOCKED: "⊘",
}
_DIRECTIONS = {
    What.SENT: "{} → server",
    What.RECEIVED: "server → {}",
    What.CONNECTED: "{} connects",
    What.HALF_CLOSED: "{} sends FIN, goes on reading",
    What.CLOSED: "{} closes",
    What.RESET: "{} sends RST",
    What.END_OF_STREAM: "server → {}: FIN (end of stream)",
    What.PEER_RESET: "server → {}: RST",
    What.NOTE: "note",
}
#: Of octets that don't read as text this many are shown in hexadecimal too.
_HEX_OCTETS = 256
#: A diagram ends with this many findings; the report has said them all before.
_REMARKS = 3


@frozen
class Detail:
    """How much of a transcript is shown."""

    first: int  #: entries of its beginning
    last: int  #: entries of its end
    columns: int  #: of the octets of an entry
    all_bytes: bool  #: or only those that the diagram shortens


#: Of a case that passed, the beginning and the end; what fails is shown nearly whole.
BRIEF = Detail(16, 32, 240, all_bytes=False)
FULL = Detail(40, 160, 2048, all_bytes=True)


def kind(status: Status) -> str:
    """Name of the style of a status."""
    return status.value.lower().replace(" ", "-")


def mark(status: Status) -> str:
    """The symbol of a status; its word has to stand beside, or to be read out."""
    return f'<span aria-hidden="true">{_MARKS[status]}</span>'


def badge(status: Status, count: int | None = None) -> str:
    """A status as symbol and word, after how many there are."""
    number = "" if count is None else f"{count:,} "
    return f'<span class="badge {kind(status)}">{mark(status)} {number}{status.value}</span>'


def legend(counts: Mapping[Status, int]) -> str:
    """A list of the statuses that occur."""
    shown = "".join(f"<li>{badge(status, n)}" for status, n in counts.items() if n)
    return f'<ul class="legend">{shown}</ul>'


def prose(found: str) -> str:
    """A text that may quote a peer, as HTML."""
    return text.escape(found, TEXT_COLUMNS)


def anchor(letter: str, name: str) -> str:
    """The attribute `id` of a case or a requirement: no two names get the same."""
    plain = (c if c.isascii() and (c.isalnum() or c in ".-") else f"_{ord(c):x}_" for c in name)
    return f"{letter}-{''.join(plain)}"


def requirement_links(names: Sequence[str]) -> str:
    """Requirement ids as links into the matrix."""
    return ", ".join(
        f'<a class="id" href="#{anchor("r", name)}">{html.escape(name)}</a>' for name in names
    )


def case_links(names: Sequence[str]) -> str:
    """Case ids as links to the cases."""
    return ", ".join(f'<a href="#{anchor("c", name)}">{html.escape(name)}</a>' for name in names)


def repeat(case: CaseResult) -> str:
    """How to see it again."""
    if not case.command:
        return ""
    lines = f"<pre>{prose(case.command)}</pre>"
    if case.kind == "case" and case.failed:
        lines += (
            '<p class="dim">As a script that needs nothing but Python: '
            f"<code>chatroom-conformance repro {html.escape(case.id)}</code></p>"
        )
    return f"<h4>Repeat it</h4>{lines}"


def wire(case: CaseResult, detail: Detail, *, drawn: bool = False) -> str:
    """What went over the wire: a diagram, open if `drawn`, and the bytes."""
    if not case.transcript:
        return ""
    shown = sequence.rows(case.transcript, case.entries_left_out, detail.first, detail.last)
    drawing = (*shown, *_remarks(case))
    broken = {finding.requirement for finding in case.findings}
    name = anchor("q", case.id)
    title = f"Frames of the case {case.id}"
    count = len(case.transcript) + case.entries_left_out
    return (
        f'<details class="wire"{" open" if drawn else ""}>'
        f"<summary>Sequence of {count:,} events</summary>"
        f'<div class="scroll" tabindex="0" role="region" aria-label="{html.escape(title)}">'
        f"{sequence.diagram(name, title, drawing, broken)}</div></details>"
        f"{_all_bytes(shown, detail)}"
    )


def _all_bytes(shown: Sequence[sequence.Shown], detail: Detail) -> str:
    listed = [row for row in shown if detail.all_bytes or _says_more(row)]
    if not listed:
        return ""
    words = "Bytes" if detail.all_bytes else "Bytes of the frames that are shortened above"
    rows = "".join(_bytes(row, detail.columns) for row in listed)
    return f'<details class="wire"><summary>{words}</summary><ol class="b">{rows}</ol></details>'


def _says_more(row: sequence.Shown) -> bool:
    """Whether its bytes tell what the diagram doesn't."""
    if isinstance(row, sequence.Gap):
        return False
    entry = row.first if isinstance(row, sequence.Copies) else row
    return not sequence.is_told_by_label(entry) or not text.is_plain(text.decode(entry.data))


def _remarks(case: CaseResult) -> list[sequence.Remark]:
    return [
        sequence.Remark(f"{_MARKS[found.status]} {found.requirement}: {found.actual}")
        for found in case.findings[:_REMARKS]
    ]


def _bytes(row: sequence.Shown, columns: int) -> str:
    if isinstance(row, sequence.Gap):
        return f'<li class="dim">… {row.entries:,} events not shown …'
    names = row.connections if isinstance(row, sequence.Copies) else (row.connection,)
    row = row.first if isinstance(row, sequence.Copies) else row
    who = _DIRECTIONS[row.what].format(", ".join(text.escape(name, 60) for name in names))
    octets = f" <small>{row.octets:,} octets</small>" if row.octets else ""
    return f"<li><i>{sequence.moment(row.at)}</i> <b>{who}</b>{octets}{_content(row, columns)}"


def _content(entry: Entry, columns: int) -> str:
    if not entry.data:
        return ""
    said = text.decode(entry.data)
    found, left_out = text.fit(said, columns)
    if left_out or entry.octets > len(entry.data):
        shown = said[: len(said) - left_out].encode("utf-8", "surrogateescape")
        left_out = max(entry.octets, len(entry.data)) - len(shown)
    more = f' <em class="more">… {left_out:,} octets more</em>' if left_out > 0 else ""
    return f"<code>{text.markup(found)}{more}</code>{_hexadecimal(entry.data)}"


def _hexadecimal(data: bytes) -> str:
    if text.is_plain(text.decode(data)):
        return ""
    more = " …" if len(data) > _HEX_OCTETS else ""
    return f'<code class="x">{data[:_HEX_OCTETS].hex(" ")}{more}</code>'
