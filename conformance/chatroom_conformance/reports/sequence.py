"""The frames of a case as a sequence diagram in SVG, fit to stand in an HTML page.

Lifelines are the server, first, and a line for each connection. Time runs down; rows are evenly
spaced and carry their time. A label starts at the server, so that labels read as a column.
"""

from __future__ import annotations

import html
import json
from collections.abc import Collection, Iterable, Iterator, Sequence

from attrs import define, frozen

from ..results import Entry, What
from . import text

#: Of a label this many columns.
LABEL_COLUMNS = 76
#: Of each text inside a shortened frame this many characters.
STRING_CHARACTERS = 20

_ROW = 32
_HEAD = 40
_SERVER_X = 92
_GAP = 108  # between lifelines, at least; a few of them share `_SPREAD`
_SPREAD = 420
_COLUMN = 7.25  # width of a character of the label font, 12 px monospaced
_NAME_COLUMNS = 12

_TO_SERVER = (What.CONNECTED, What.SENT, What.HALF_CLOSED, What.CLOSED, What.RESET)
_ENDS = (What.CLOSED, What.RESET, What.PEER_RESET)
_WORDS = {
    What.CONNECTED: "connects",
    What.HALF_CLOSED: "FIN, goes on reading",
    What.CLOSED: "closes",
    What.RESET: "RST",
    What.END_OF_STREAM: "FIN (end of stream)",
    What.PEER_RESET: "RST by the server",
}


@frozen
class Gap:
    """Entries that aren't drawn."""

    entries: int


@frozen
class Copies:
    """The same frame, received on several connections one after the other."""

    first: Entry
    connections: tuple[str, ...]


@frozen
class Remark:
    """What the suite found wrong, at the end."""

    text: str


#: What a transcript is shown as.
Shown = Entry | Copies | Gap
Row = Shown | Remark


def rows(entries: Sequence[Entry], left_out: int, first: int, last: int) -> tuple[Shown, ...]:
    """At most `first` entries of the beginning and `last` of the end, and the gap between.

    `left_out` entries are missing from the middle of `entries` already.
    """
    if len(entries) <= first + last and not left_out:
        return tuple(_merged(entries))
    head, tail = tuple(entries[:first]), tuple(entries[max(first, len(entries) - last) :])
    gap = Gap(len(entries) - len(head) - len(tail) + left_out)
    return (*_merged(head), gap, *_merged(tail))


def _merged(entries: Iterable[Entry]) -> list[Shown]:
    """Entries, with copies of a frame to several connections made one."""
    found: list[Shown] = []
    for entry in entries:
        before = found[-1] if found else None
        if isinstance(before, Entry):
            before = Copies(before, (before.connection,))
        if isinstance(before, Copies) and _is_copy(entry, before):
            found[-1] = Copies(before.first, (*before.connections, entry.connection))
        else:
            found.append(entry)
    return found


def _is_copy(entry: Entry, of: Copies) -> bool:
    return (
        entry.what is of.first.what is What.RECEIVED
        and entry.data == of.first.data
        and entry.octets == of.first.octets
        and entry.connection not in of.connections
    )


def is_told_by_label(entry: Entry) -> bool:
    """Whether the label of an entry shows all its octets, a line feed at the end apart."""
    if not entry.data:
        return True
    raw = text.decode(entry.data.removesuffix(b"\n"))
    return entry.octets <= len(entry.data) and not text.fit(raw, LABEL_COLUMNS)[1]


def diagram(name: str, title: str, shown: Sequence[Row], broken: Collection[str] = ()) -> str:
    """An `<svg>`; `name` is unique on the page, and fit for an attribute `id`.

    A note that begins with one of the requirements `broken` stands out.
    """
    picture = _Picture(_lifelines(shown), len(shown), broken)
    for number, row in enumerate(shown):
        picture.row(_HEAD + (number + 1) * _ROW, row)
    return picture.svg(name, title, shown)


def label(entry: Entry) -> str:
    """What an arrow says, as SVG: a whole short frame, or what tells frames apart."""
    return text.markup(_label(entry), "tspan")


def moment(seconds: float) -> str:
    """A time since the case began, for people."""
    if seconds >= 1:
        return f"{seconds:.2f} s"
    return f"{seconds * 1000:.{1 if seconds >= 0.1 else 2}f} ms"


def _label(entry: Entry) -> list[text.Piece]:
    if entry.what in _WORDS:
        return text.fit(_WORDS[entry.what], LABEL_COLUMNS)[0]
    raw = text.decode(entry.data.removesuffix(b"\n"))
    found, left_out = text.fit(raw, LABEL_COLUMNS)
    more = entry.octets > len(entry.data)
    if left_out:
        found, left_out = text.fit(_shortened(raw), LABEL_COLUMNS)
    return [*found, ("…", False)] if left_out or more else found


def _shortened(raw: str) -> str:
    """A frame with its long texts cut; `raw` as it is if that's no object."""
    try:
        frame = json.loads(raw)
    except (ValueError, RecursionError):
        return raw
    if not isinstance(frame, dict):
        return raw
    members = (f"{_cut(name)}: {_value(value)}" for name, value in frame.items())
    return "{" + ", ".join(members) + "}"


def _value(value: object) -> str:
    if isinstance(value, str):
        return f'"{_cut(value)}"'
    if isinstance(value, dict | list):
        return (
            f"{{{len(value)} members}}" if isinstance(value, dict) else f"[{len(value)} elements]"
        )
    return _cut(json.dumps(value))


def _cut(value: str) -> str:
    return value if len(value) <= STRING_CHARACTERS else f"{value[: STRING_CHARACTERS - 1]}…"


def _lifelines(shown: Iterable[Row]) -> dict[str, int]:
    """Where each connection's line stands, in the order of their first entry."""
    names = dict.fromkeys(name for row in shown for name in _connections(row))
    gap = max(_GAP, _SPREAD // max(1, len(names)))
    return {name: _SERVER_X + (place + 1) * gap for place, name in enumerate(names)}


def _connections(row: Row) -> tuple[str, ...]:
    if isinstance(row, Copies):
        return row.connections
    if isinstance(row, Entry) and row.what is not What.NOTE and row.connection:
        return (row.connection,)
    return ()


def _head(start: int, end: int, y: int) -> str:
    """Path of the open head of an arrow from `start` to `end`."""
    back = 8 if end < start else -8
    return f"M{end + back} {y - 4}L{end} {y}l{back} 4"


@define(init=False)
class _Picture:
    """A diagram while it is drawn: arrows of a kind share one path, which keeps pages small."""

    xs: dict[str, int]
    broken: Collection[str]
    height: int
    width: float
    paths: dict[str, list[str]]
    texts: list[str]
    alive: dict[str, int]

    def __init__(self, xs: dict[str, int], count: int, broken: Collection[str]) -> None:
        self.broken = broken
        self.xs = xs
        self.height = _HEAD + (count + 1) * _ROW + 12
        self.width = max([_SERVER_X, *xs.values()]) + _GAP / 2
        self.paths = {}
        self.texts = []
        self.alive = {}

    def row(self, y: int, row: Row) -> None:
        """Draw one row; `y` is where its arrow lies."""
        if isinstance(row, Gap | Remark):
            self._words(y, row)
            return
        connections = _connections(row)
        row = row.first if isinstance(row, Copies) else row
        self.texts.append(
            f'<text class="t" x="{_SERVER_X - 14}" y="{y + 4}">{moment(row.at)}</text>'
        )
        if not connections:
            self._text(_SERVER_X + 10, y + 4, _label(row), self._note_kind(row))
            return
        self._arrow(row, y, [self.xs[name] for name in connections])
        self._text(_SERVER_X + 10, y - 5, _label(row), "")
        for name in connections:
            self._life(row, name, y)

    def _arrow(self, row: Entry, y: int, xs: Sequence[int]) -> None:
        """An arrow between the server and one connection, or from the server to several."""
        kind = {What.SENT: "s", What.RECEIVED: "r"}.get(row.what, "c")
        far = max(xs)
        start, ends = (far, [_SERVER_X]) if row.what in _TO_SERVER else (_SERVER_X, xs)
        self._path(kind, f"M{start} {y}H{far if start == _SERVER_X else _SERVER_X}")
        for end in ends:
            self._path("d" if kind == "c" else kind, _head(start, end, y))

    def svg(self, name: str, title: str, shown: Sequence[Row]) -> str:
        """The whole element."""
        for connection in list(self.alive):
            self._end(connection, self.height - _HEAD + 8)
        width, height = round(self.width), self.height
        lines = "".join(f"M{x} {_HEAD - 8}V{height - 20}" for x in self.xs.values())
        paths = "".join(
            f'<path class="{kind}" d="{"".join(d)}"/>' for kind, d in self.paths.items()
        )
        return (
            f'<svg class="q" role="img" aria-labelledby="{name}-t {name}-d" width="{width}" '
            f'height="{height}" viewBox="0 0 {width} {height}">'
            f'<title id="{name}-t">{html.escape(title)}</title>'
            f'<desc id="{name}-d">{_description(shown, self.xs)}</desc>'
            f'<path class="l" d="{lines}"/>'
            f'<path class="v" d="M{_SERVER_X} {_HEAD - 8}V{height - 20}"/>'
            f"{paths}{''.join(self._heads())}{''.join(self.texts)}</svg>"
        )

    def _note_kind(self, note: Entry) -> str:
        begins = text.decode(note.data).partition(" ")[0]
        return "w" if begins in self.broken else "n"

    def _words(self, y: int, row: Gap | Remark) -> None:
        if isinstance(row, Gap):
            found, left_out = text.fit(f"… {row.entries:,} events not drawn …", LABEL_COLUMNS)
        else:
            found, left_out = text.fit(row.text, LABEL_COLUMNS)
        cut = [("…", False)] if left_out else []
        self._text(_SERVER_X + 10, y + 4, [*found, *cut], "n" if isinstance(row, Gap) else "w")

    def _path(self, kind: str, path: str) -> None:
        self.paths.setdefault(kind, []).append(path)

    def _text(self, x: int, y: int, found: list[text.Piece], kind: str) -> None:
        columns = sum(text.width(piece) for piece in found)
        self.width = max(self.width, x + columns * _COLUMN + 12)
        style = f' class="{kind}"' if kind else ""
        self.texts.append(f'<text{style} x="{x}" y="{y}">{text.markup(found, "tspan")}</text>')

    def _life(self, row: Entry, connection: str, y: int) -> None:
        x = self.xs[connection]
        if row.what in _ENDS:
            self._end(connection, y)
            self._path("x", f"M{x - 5} {y - 5}l10 10m0-10l-10 10")
        elif row.what is not What.END_OF_STREAM:
            self.alive.setdefault(connection, y)

    def _end(self, connection: str, y: int) -> None:
        start = self.alive.pop(connection, y)
        if start < y:
            x = self.xs[connection]
            self._path("a", f"M{x} {start}V{y}")

    def _heads(self) -> Iterator[str]:
        for connection, x in {"server": _SERVER_X, **self.xs}.items():
            kind = "hs" if x == _SERVER_X else "h"
            found, left_out = text.fit(connection, _NAME_COLUMNS)
            shown = text.markup([*found, ("…", False)] if left_out else found, "tspan")
            yield f'<rect class="{kind}" x="{x - 42}" y="6" width="84" height="26" rx="6"/>'
            yield f'<text class="{kind}" x="{x}" y="23">{shown}</text>'


def _description(shown: Sequence[Row], xs: dict[str, int]) -> str:
    frames = [(row.first, len(row.connections)) for row in shown if isinstance(row, Copies)]
    frames += [(row, 1) for row in shown if isinstance(row, Entry)]
    sent = sum(count for entry, count in frames if entry.what is What.SENT)
    received = sum(count for entry, count in frames if entry.what is What.RECEIVED)
    names = ", ".join(html.escape(text.plain(name[:40])) for name in list(xs)[:8])
    more = f" and {len(xs) - 8} more" if len(xs) > 8 else ""
    return (
        f"Sequence diagram, time runs down. Connections to the server: {names or 'none'}{more}. "
        f"Sent {sent}, received {received}. The bytes below list the same in words."
    )
