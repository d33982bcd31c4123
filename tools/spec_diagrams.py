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

_BOX_X, _BOX_WIDTH, _BOX_HEIGHT = 10, 116, 38
_LINE = 15
_FIRST_LANE, _LANE = 280, 26
_MARGIN = 12


@dataclass(frozen=True)
class _Arrow:
    """All inputs that lead from one state to another; positions in the column."""

    start: int
    end: int
    labels: tuple[str, ...]

    @property
    def is_straight(self) -> bool:
        return self.end == self.start + 1


@dataclass(frozen=True)
class _Box:
    """The upper and lower edge of a state."""

    top: int
    bottom: int


def diagrams() -> dict[str, str]:
    """The SVG text of each role's diagram, by the role's name."""
    return {role.value: _draw(role) for role in _STATES}


def _arrows(role: Role) -> list[_Arrow]:
    order = list(_STATES[role])
    inputs: dict[tuple[int, int], list[Input]] = {}
    for (owner, state, given), following in TRANSITIONS.items():
        if owner is role and state is not following:
            key = (order.index(state), order.index(following))
            inputs.setdefault(key, []).append(given)
    by_name = list(Input)
    return [
        _Arrow(start, end, tuple(i.value for i in sorted(labels, key=by_name.index)))
        for (start, end), labels in sorted(inputs.items())
    ]


def _draw(role: Role) -> str:
    arrows = _arrows(role)
    straight = [arrow for arrow in arrows if arrow.is_straight]
    bent = [arrow for arrow in arrows if not arrow.is_straight]
    names = [state.value for state in _STATES[role]]
    boxes = _boxes(len(names), straight, bent)
    body = [_box(name, box) for name, box in zip(names, boxes, strict=True)]
    body += [_straight(arrow, boxes) for arrow in straight]
    body += [_bent(arrow, boxes, bent) for arrow in bent]
    width = _FIRST_LANE + len(bent) * _LANE
    height = boxes[-1].bottom + _MARGIN
    return _SVG.format(width=width, height=height, role=role.value, body="\n".join(body))


def _boxes(count: int, straight: list[_Arrow], bent: list[_Arrow]) -> list[_Box]:
    """Boxes as high as the labels at their right, with gaps as high as the labels below."""
    boxes = []
    top = _MARGIN
    for number in range(count):
        beside = sum(_height(arrow) for arrow in bent if arrow.start == number)
        box = _Box(top, top + max(_BOX_HEIGHT, beside + 4))
        boxes.append(box)
        below = sum(len(arrow.labels) for arrow in straight if arrow.start == number)
        top = box.bottom + below * _LINE + 26
    return boxes


def _height(arrow: _Arrow) -> int:
    """What an arrow to the right takes of its box's side, its labels below it."""
    return len(arrow.labels) * _LINE + 12


def _box(name: str, box: _Box) -> str:
    x, y = _BOX_X + _BOX_WIDTH // 2, (box.top + box.bottom) // 2 + 5
    return (
        f'<rect x="{_BOX_X}" y="{box.top}" width="{_BOX_WIDTH}" '
        f'height="{box.bottom - box.top}" rx="8"/>\n'
        f'<text class="state" x="{x}" y="{y}">{escape(name)}</text>'
    )


def _straight(arrow: _Arrow, boxes: list[_Box]) -> str:
    x = _BOX_X + 30
    start, end = boxes[arrow.start].bottom, boxes[arrow.end].top
    return f'<path d="M{x} {start}V{end - 1}"/>\n' + _labels(arrow, x + 10, start + 20)


def _bent(arrow: _Arrow, boxes: list[_Box], bent: list[_Arrow]) -> str:
    """An arrow out to the right, down its lane, and back in; long ones take the outer lanes."""
    lanes = sorted(bent, key=lambda other: (other.end - other.start, -other.start))
    lane = _FIRST_LANE + lanes.index(arrow) * _LANE
    above = [other for other in bent if other.start == arrow.start and other.end < arrow.end]
    y = boxes[arrow.start].top + 8 + sum(_height(other) for other in above)
    entering = [other for other in bent if other.end == arrow.end]
    back = boxes[arrow.end].top + 8 + 11 * entering.index(arrow)
    right = _BOX_X + _BOX_WIDTH
    path = f'<path d="M{right} {y}H{lane}V{back}H{right + 1}"/>\n'
    return path + _labels(arrow, right + 10, y + 14)


def _labels(arrow: _Arrow, x: int, y: int) -> str:
    return "\n".join(
        f'<text x="{x}" y="{y + number * _LINE}">{escape(label)}</text>'
        for number, label in enumerate(arrow.labels)
    )


_SVG = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img"
 id="states-{role}" aria-label="States of a {role}">
<style>
#states-{role} {{ color: #1f2328 }}
@media (prefers-color-scheme: dark) {{ #states-{role} {{ color: #e2e7ec }} }}
#states-{role} text {{ font: 13px system-ui, sans-serif; fill: currentColor }}
#states-{role} .state {{ font-weight: 600; font-size: 15px; text-anchor: middle }}
#states-{role} :is(rect, path) {{ fill: none; stroke: currentColor; stroke-width: 1.5 }}
#states-{role} > path {{ marker-end: url(#tip-{role}) }}
#states-{role} marker path {{ fill: currentColor; stroke: none }}
</style>
<defs><marker id="tip-{role}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8"
 markerHeight="8" orient="auto"><path d="M0 0L8 4L0 8z"/></marker></defs>
{body}
</svg>
"""
