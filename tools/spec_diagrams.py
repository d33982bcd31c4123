"""Draws one state diagram a role, as SVG, from the package's table of transitions.

The states stand in a column in the order of their Enum. An arrow to the next state goes straight
down; every other one leaves and enters at the right, each in a lane of its own. Inputs that change
nothing are left out. Colours are those of the page around (`currentColor`).
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from chatroom_protocol.states import TRANSITIONS, ClientState, Input, Role, ServerState

_STATES: dict[Role, type[ClientState] | type[ServerState]] = {
    Role.CLIENT: ClientState,
    Role.SERVER: ServerState,
}

_WIDTH = 640
_BOX_X, _BOX_WIDTH, _BOX_HEIGHT = 10, 120, 38
_LINE = 15
_FIRST_LANE, _LANE = 360, 34
_MARGIN = 14


@dataclass(frozen=True)
class _Arrow:
    """All inputs that lead from one state to another; positions in the column."""

    start: int
    end: int
    labels: tuple[str, ...]

    @property
    def is_straight(self) -> bool:
        return self.end == self.start + 1


def diagrams() -> dict[str, str]:
    """The SVG text of each role's diagram, by the role's name."""
    return {role.value: _draw(role) for role in _STATES}


def _arrows(role: Role) -> list[_Arrow]:
    order = list(_STATES[role])
    inputs: dict[tuple[int, int], list[Input]] = {}
    for (owner, state, given), following in TRANSITIONS.items():
        if owner is role and state is not following:
            key = (order.index(state), order.index(following))  # type: ignore[arg-type]
            inputs.setdefault(key, []).append(given)
    by_name = list(Input)
    return [
        _Arrow(start, end, tuple(i.value for i in sorted(labels, key=by_name.index)))
        for (start, end), labels in sorted(inputs.items())
    ]


def _draw(role: Role) -> str:
    arrows = _arrows(role)
    names = [state.value for state in _STATES[role]]
    tops = _tops(len(names), arrows)
    height = tops[-1] + _BOX_HEIGHT + _MARGIN
    body = [_box(name, top) for name, top in zip(names, tops, strict=True)]
    body += [_straight(arrow, tops) for arrow in arrows if arrow.is_straight]
    bent = [arrow for arrow in arrows if not arrow.is_straight]
    body += [_bent(arrow, tops, bent) for arrow in bent]
    return _SVG.format(width=_WIDTH, height=height, role=role.value, body="\n".join(body))


def _tops(count: int, arrows: list[_Arrow]) -> list[int]:
    """The upper edge of each box; the gap below holds the labels of all that leaves downwards."""
    tops = [_MARGIN]
    for number in range(count - 1):
        leaving = [arrow for arrow in arrows if arrow.start == number]
        straight = sum(len(arrow.labels) for arrow in leaving if arrow.is_straight)
        bent = sum(len(arrow.labels) + 1 for arrow in leaving if not arrow.is_straight)
        gap = max(straight * _LINE + 24, bent * _LINE + 12 - _BOX_HEIGHT, 46)
        tops.append(tops[-1] + _BOX_HEIGHT + gap)
    return tops


def _box(name: str, top: int) -> str:
    x = _BOX_X + _BOX_WIDTH // 2
    return (
        f'<rect x="{_BOX_X}" y="{top}" width="{_BOX_WIDTH}" height="{_BOX_HEIGHT}" rx="8"/>\n'
        f'<text class="state" x="{x}" y="{top + 24}">{escape(name)}</text>'
    )


def _straight(arrow: _Arrow, tops: list[int]) -> str:
    x = _BOX_X + 30
    start, end = tops[arrow.start] + _BOX_HEIGHT, tops[arrow.end]
    middle = (start + end) // 2 - (len(arrow.labels) - 1) * _LINE // 2 + 4
    return f'<path d="M{x} {start}V{end - 2}"/>\n' + _labels(arrow, x + 10, middle)


def _bent(arrow: _Arrow, tops: list[int], bent: list[_Arrow]) -> str:
    """An arrow out to the right, down its lane, and back in; long ones take the outer lanes."""
    lanes = sorted(bent, key=lambda other: (other.end - other.start, -other.start))
    lane = _FIRST_LANE + lanes.index(arrow) * _LANE
    earlier = [other for other in bent if other.start == arrow.start]
    before = earlier[: earlier.index(arrow)]
    y = tops[arrow.start] + 10 + sum((len(other.labels) + 1) * _LINE for other in before)
    entering = [other for other in bent if other.end == arrow.end]
    back = tops[arrow.end] + 10 + 14 * entering.index(arrow)
    right = _BOX_X + _BOX_WIDTH
    path = f'<path d="M{right} {y}H{lane}V{back}H{right + 2}"/>\n'
    return path + _labels(arrow, right + 12, y + 13)


def _labels(arrow: _Arrow, x: int, y: int) -> str:
    return "\n".join(
        f'<text x="{x}" y="{y + number * _LINE}">{escape(label)}</text>'
        for number, label in enumerate(arrow.labels)
    )


_SVG = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img"
 aria-label="States of a {role}">
<style>
text {{ font: 13px system-ui, sans-serif; fill: currentColor }}
.state {{ font-weight: 600; font-size: 15px; text-anchor: middle }}
rect, path {{ fill: none; stroke: currentColor; stroke-width: 1.5 }}
path {{ marker-end: url(#tip-{role}) }}
#tip-{role} path {{ fill: currentColor; stroke: none; marker-end: none }}
</style>
<defs><marker id="tip-{role}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8"
 markerHeight="8" orient="auto"><path d="M0 0L8 4L0 8z"/></marker></defs>
{body}
</svg>
"""
