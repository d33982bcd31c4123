"""What is measured, against which goal, and the table of it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from statistics import median, quantiles

from attrs import frozen

from benchmarks.contenders import CEILING, NGIRCD, OURS, Report, Side

# What was measured, by the name of the load: every time it was done, reports by the side's name.
Results = dict[str, list[dict[str, Report]]]
# From a report a number for each turn.
Values = Callable[[Report], list[float]]

BESIDE_THE_DEAF = "chatroom, beside a deaf client"


@frozen
class Load:
    """What the generator does to those who are compared: all ``phases`` in turn, ``turns`` times.

    ``times`` is how often all of that is done in a round, each time with new servers.
    """

    name: str
    sides: tuple[Side, ...]
    phases: tuple[str, ...]
    turns: int = 1
    times: int = 1

    def each(self, phase: int, name: str, scale: float = 1.0) -> Values:
        """Return what takes the number ``name`` of a phase from a report, once for each turn."""
        return lambda report: [
            one[name] / scale for one in report["phases"][phase :: len(self.phases)]
        ]


def _all(*options: str) -> tuple[Side, ...]:
    return tuple(Side(name, name, options) for name in (CEILING, NGIRCD, OURS))


_HUNDRED = Load(
    "100",
    _all("--receivers", "100"),
    ("rate:50:1", "window:1:300", "window:32:5000"),
    turns=6,
)
_FIVE_HUNDRED = Load(
    "500", _all("--receivers", "500"), ("window:1:100", "window:32:1600"), turns=4, times=2
)
_SENDERS = Load("senders", _all("--senders", "10", "--receivers", "90"), ("window:1:200",), turns=6)
_DEAF = Load(
    "deaf",
    (
        Side(OURS, OURS, ("--receivers", "50")),
        Side(BESIDE_THE_DEAF, OURS, ("--receivers", "50", "--deaf", "1")),
    ),
    # As much as the deaf client's queue may hold, so that it is there to the end.
    ("window:1:200", "window:32:900"),
    turns=5,
    times=4,
)
_IDLE = Load(
    "idle",
    (Side(OURS, OURS, ("--receivers", "4999", "--joining", "64")),),
    ("hold:5", "window:1:20"),
)
LOADS = (_HUNDRED, _FIVE_HUNDRED, _SENDERS, _DEAF, _IDLE)


@frozen
class Figure:
    """One row of the table: a number of each contender, and what it has to be.

    ``ceiling`` and ``ngircd`` are the goals for the ratio of ours to theirs; a ratio has to be at
    least that, or at most where ``less_is_better``.
    """

    title: str
    load: Load
    values: Values
    form: str
    ceiling: float | None = None
    ngircd: float | None = None
    less_is_better: bool = False


def _rate(load: Load, phase: int) -> Values:
    return load.each(phase, "deliveries_per_second", 1000)


FIGURES = (
    Figure(
        "thousand deliveries/s, 100 receivers, window 1",
        _HUNDRED,
        _rate(_HUNDRED, 1),
        "{:,.0f}",
        0.85,
        1.0,
    ),
    Figure(
        "thousand deliveries/s, 500 receivers, window 1",
        _FIVE_HUNDRED,
        _rate(_FIVE_HUNDRED, 0),
        "{:,.0f}",
        0.85,
        1.0,
    ),
    Figure(
        "thousand deliveries/s, 100 receivers, window 32",
        _HUNDRED,
        _rate(_HUNDRED, 2),
        "{:,.0f}",
        0.8,
        4.0,
    ),
    Figure(
        "thousand deliveries/s, 500 receivers, window 32",
        _FIVE_HUNDRED,
        _rate(_FIVE_HUNDRED, 1),
        "{:,.0f}",
        0.8,
        4.0,
    ),
    Figure(
        "thousand deliveries/s, 10 senders, 90 receivers, window 1",
        _SENDERS,
        _rate(_SENDERS, 0),
        "{:,.0f}",
        1.0,
        3.0,
    ),
    Figure(
        "p50 latency in ms, 100 receivers, 50 messages/s",
        _HUNDRED,
        _HUNDRED.each(0, "p50_us", 1000),
        "{:.2f}",
        ceiling=1.3,
        less_is_better=True,
    ),
    Figure(
        "p99 latency in ms, 100 receivers, 50 messages/s",
        _HUNDRED,
        _HUNDRED.each(0, "p99_us", 1000),
        "{:.2f}",
        ceiling=1.3,
        less_is_better=True,
    ),
    Figure(
        "CPU seconds a million deliveries, 100 receivers, window 1",
        _HUNDRED,
        _HUNDRED.each(1, "server_cpu_s_per_million"),
        "{:.2f}",
        ceiling=1.3,
        less_is_better=True,
    ),
    Figure(
        "joins/s to 500 users, everyone told exactly once",
        _FIVE_HUNDRED,
        lambda report: [report["joins"]["joins_per_second"]],
        "{:,.0f}",
        ngircd=3.0,
    ),
)


@frozen
class Alone:
    """A row that is about this server alone; ``values`` takes the reports of one time."""

    title: str
    load: Load
    values: Callable[[dict[str, Report]], list[float]]
    form: str
    goal: float
    less_is_better: bool


def _kept(phase: int) -> Callable[[dict[str, Report]], list[float]]:
    def ratios(reports: dict[str, Report]) -> list[float]:
        rate = _rate(_DEAF, phase)
        beside, alone = rate(reports[BESIDE_THE_DEAF]), rate(reports[OURS])
        return [a / b for a, b in zip(beside, alone, strict=True)]

    return ratios


ALONE = (
    Alone(
        "kB RSS an idle connection, 5,000 connections",
        _IDLE,
        lambda reports: [reports[OURS]["memory"]["kb_per_connection"]],
        "{:.1f}",
        32,
        True,
    ),
    Alone(
        "CPU seconds in 5 s with 5,000 idle connections",
        _IDLE,
        lambda reports: _IDLE.each(0, "server_cpu_s")(reports[OURS]),
        "{:.2f}",
        0.01,
        True,
    ),
    Alone(
        "throughput kept by 50 beside a deaf client, window 1",
        _DEAF,
        _kept(0),
        "{:.2f}",
        0.9,
        False,
    ),
    Alone(
        "throughput kept by 50 beside a deaf client, window 32",
        _DEAF,
        _kept(1),
        "{:.2f}",
        0.9,
        False,
    ),
    Alone(
        "MB that a deaf client adds to the peak of memory",
        _DEAF,
        lambda reports: [
            (reports[BESIDE_THE_DEAF]["peak_rss_kb"] - reports[OURS]["peak_rss_kb"]) / 1000
        ],
        "{:.1f}",
        8,
        True,
    ),
)


def _middle_half(values: list[float], form: str) -> str:
    """Return the median, and the quartiles if there are enough to speak of them."""
    text = form.format(median(values))
    if len(values) > 4:
        low, _, high = quantiles(values, n=4)
        text += f", {form.format(low)} to {form.format(high)}"
    return text


def _goal(value: float, goal: float, *, less_is_better: bool) -> str:
    sign, met = ("≤", value <= goal) if less_is_better else ("≥", value >= goal)
    return f"{sign} {goal:g}: {'met' if met else '**missed**'}"


def _values(figure: Figure, results: Results, side: str) -> list[float]:
    times = results[figure.load.name]
    return list(chain.from_iterable(figure.values(one[side]) for one in times if side in one))


def _versus(figure: Figure, results: Results, other: str, goal: float | None) -> str:
    """Return the median ratio of ours to theirs, turn by turn, and the goal for it."""
    theirs = _values(figure, results, other)
    if not theirs:
        return "not measured"
    ours = _values(figure, results, OURS)
    ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
    text = _middle_half(ratios, "{:.2f}")
    if goal is not None:
        text += f" ({_goal(median(ratios), goal, less_is_better=figure.less_is_better)})"
    return text


def table(results: Results) -> str:
    """Return the table in Markdown."""
    lines = [
        "| | ceiling | ngircd | chatroom | to the ceiling (goal) | to ngircd (goal) |",
        "|---|---|---|---|---|---|",
    ]
    for figure in FIGURES:
        cells = [figure.title]
        for name in (CEILING, NGIRCD, OURS):
            values = _values(figure, results, name)
            cells.append(figure.form.format(median(values)) if values else "")
        cells.append(_versus(figure, results, CEILING, figure.ceiling))
        cells.append(_versus(figure, results, NGIRCD, figure.ngircd))
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", "| chatroom alone | | goal |", "|---|---|---|"]
    for row in ALONE:
        values = list(chain.from_iterable(map(row.values, results[row.load.name])))
        verdict = _goal(median(values), row.goal, less_is_better=row.less_is_better)
        lines.append(f"| {row.title} | {_middle_half(values, row.form)} | {verdict} |")
    lines += ["", faults(results)]
    return "\n".join(lines)


def of_this_server(results: Results) -> list[Report]:
    """Return the reports of all runs of this server."""
    return [
        one[side.name]
        for load in LOADS
        for one in results[load.name]
        for side in load.sides
        if side.contender == OURS
    ]


def faults(results: Results) -> str:
    """Count what went wrong in all runs of this server."""
    reports = of_this_server(results)
    phases = [phase for report in reports for phase in report["phases"]]
    names = ("lost", "duplicated", "reordered", "corrupt")
    counts = ", ".join(f"{sum(p.get(name, 0) for p in phases):,} {name}" for name in names)
    deliveries = sum(phase.get("deliveries", 0) for phase in phases)
    told = sum(report["joins"]["told"] for report in reports)
    wrong = sum(report["joins"]["told_wrong"] for report in reports)
    orders = sum(phase.get("one_order") is False for phase in phases)
    return (
        f"Of {deliveries:,} deliveries to clients of this server: {counts}; {orders} phases in"
        f" which two receivers heard another order. Of {told:,} join notices, {wrong:,} were"
        " missing or sent twice."
    )
