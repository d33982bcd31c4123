"""What is measured, against which goal, and the table of it."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from typing import Any

from attrs import frozen

from benchmarks.contenders import CEILING, NGIRCD, OURS

Report = dict[str, Any]
# One round: reports by load, then by contender.
Round = dict[str, dict[str, Report]]


@frozen
class Load:
    """One run of the generator; ``contenders`` is who is loaded with it."""

    name: str
    arguments: tuple[str, ...]
    contenders: tuple[str, ...] = (CEILING, NGIRCD, OURS)


LOADS = (
    Load("100", ("--receivers", "100", "rate:50:2", "window:1:1000", "window:32:6000")),
    Load("500", ("--receivers", "500", "window:1:200", "window:32:1600")),
    Load("senders", ("--senders", "10", "--receivers", "90", "window:1:200")),
    Load("all hear", ("--receivers", "50", "window:1:1500", "window:32:12000"), (OURS,)),
    Load(
        "one is deaf",
        ("--receivers", "50", "--deaf", "1", "window:1:1500", "window:32:12000"),
        (OURS,),
    ),
    Load(
        "idle",
        ("--receivers", "4999", "--joining", "64", "--limit", "240", "hold:5", "window:1:20"),
        (OURS,),
    ),
)


@frozen
class Figure:
    """One row of the table: a number of each contender, and what it has to be.

    ``ceiling`` and ``ngircd`` are the goals for the ratio of ours to theirs; a ratio has to be at
    least that, or at most where ``less_is_better``.
    """

    title: str
    load: str
    value: Callable[[Report], float]
    form: str
    ceiling: float | None = None
    ngircd: float | None = None
    less_is_better: bool = False


def _phase(number: int, name: str, scale: float = 1.0) -> Callable[[Report], float]:
    return lambda report: report["phases"][number][name] / scale


def _rate(number: int) -> Callable[[Report], float]:
    return _phase(number, "deliveries_per_second", 1000)


FIGURES = (
    Figure("thousand deliveries/s, 100 receivers, window 1", "100", _rate(1), "{:,.0f}", 0.85, 1.0),
    Figure("thousand deliveries/s, 500 receivers, window 1", "500", _rate(0), "{:,.0f}", 0.85, 1.0),
    Figure("thousand deliveries/s, 100 receivers, window 32", "100", _rate(2), "{:,.0f}", 0.8, 4.0),
    Figure("thousand deliveries/s, 500 receivers, window 32", "500", _rate(1), "{:,.0f}", 0.8, 4.0),
    Figure(
        "thousand deliveries/s, 10 senders, 90 receivers, window 1",
        "senders",
        _rate(0),
        "{:,.0f}",
        1.0,
        3.0,
    ),
    Figure(
        "p50 latency in ms, 100 receivers, 50 messages/s",
        "100",
        _phase(0, "p50_us", 1000),
        "{:.2f}",
        ceiling=1.3,
        less_is_better=True,
    ),
    Figure(
        "p99 latency in ms, 100 receivers, 50 messages/s",
        "100",
        _phase(0, "p99_us", 1000),
        "{:.2f}",
        ceiling=1.3,
        less_is_better=True,
    ),
    Figure(
        "CPU seconds a million deliveries, 100 receivers, window 1",
        "100",
        _phase(1, "server_cpu_s_per_million"),
        "{:.2f}",
        ceiling=1.3,
        less_is_better=True,
    ),
    Figure(
        "joins/s to 500 users, everyone told exactly once",
        "500",
        lambda report: report["joins"]["joins_per_second"],
        "{:,.0f}",
        ngircd=3.0,
    ),
)


@frozen
class Alone:
    """A row that is about this server alone."""

    title: str
    value: Callable[[Round], float]
    form: str
    goal: float
    less_is_better: bool


def _ours(load: str) -> Callable[[Round], Report]:
    return lambda one: one[load][OURS]


def _kept(phase: int) -> Callable[[Round], float]:
    def ratio(one: Round) -> float:
        rate = _rate(phase)
        return rate(_ours("one is deaf")(one)) / rate(_ours("all hear")(one))

    return ratio


ALONE = (
    Alone(
        "kB RSS an idle connection, 5,000 connections",
        lambda one: float(_ours("idle")(one)["memory"]["kb_per_connection"]),
        "{:.1f}",
        32,
        True,
    ),
    Alone(
        "CPU seconds in 5 s with 5,000 idle connections",
        lambda one: float(_ours("idle")(one)["phases"][0]["server_cpu_s"]),
        "{:.2f}",
        0.01,
        True,
    ),
    Alone("throughput kept by 50 beside a deaf client, window 1", _kept(0), "{:.2f}", 0.9, False),
    Alone("throughput kept by 50 beside a deaf client, window 32", _kept(1), "{:.2f}", 0.9, False),
    Alone(
        "MB that a deaf client adds to the peak of memory",
        lambda one: (
            (_ours("one is deaf")(one)["peak_rss_kb"] - _ours("all hear")(one)["peak_rss_kb"])
            / 1000
        ),
        "{:.1f}",
        8,
        True,
    ),
)


def _verdict(value: float, goal: float, *, less_is_better: bool) -> str:
    return "met" if (value <= goal if less_is_better else value >= goal) else "**missed**"


def _versus(figure: Figure, rounds: list[Round], other: str, goal: float | None) -> str:
    """Return the median ratio of ours to theirs, taken round by round, and the goal for it."""
    if any(other not in one[figure.load] for one in rounds):
        return "not measured"
    ratio = median(
        figure.value(one[figure.load][OURS]) / figure.value(one[figure.load][other])
        for one in rounds
    )
    if goal is None:
        return f"{ratio:.2f}"
    sign = "≤" if figure.less_is_better else "≥"
    verdict = _verdict(ratio, goal, less_is_better=figure.less_is_better)
    return f"{ratio:.2f} ({sign} {goal:g}: {verdict})"


def table(rounds: list[Round]) -> str:
    """Return the table in Markdown."""
    lines = [
        "| | ceiling | ngircd | chatroom | to the ceiling (goal) | to ngircd (goal) |",
        "|---|---|---|---|---|---|",
    ]
    for figure in FIGURES:
        cells = [figure.title]
        for name in (CEILING, NGIRCD, OURS):
            values = [figure.value(one[figure.load][name]) for one in rounds if name in one["100"]]
            cells.append(figure.form.format(median(values)) if values else "")
        cells.append(_versus(figure, rounds, CEILING, figure.ceiling))
        cells.append(_versus(figure, rounds, NGIRCD, figure.ngircd))
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", "| chatroom alone | | goal |", "|---|---|---|"]
    for row in ALONE:
        value = median(row.value(one) for one in rounds)
        sign = "≤" if row.less_is_better else "≥"
        verdict = _verdict(value, row.goal, less_is_better=row.less_is_better)
        lines.append(f"| {row.title} | {row.form.format(value)} | {sign} {row.goal:g}: {verdict} |")
    lines += ["", faults(rounds)]
    return "\n".join(lines)


def faults(rounds: list[Round]) -> str:
    """Count what went wrong in all runs of this server."""
    reports = [one[load.name][OURS] for one in rounds for load in LOADS if load.name in one]
    phases = [phase for report in reports for phase in report["phases"]]
    names = ("lost", "duplicated", "reordered", "corrupt")
    counts = ", ".join(f"{sum(p.get(name, 0) for p in phases):,} {name}" for name in names)
    deliveries = sum(phase.get("deliveries", 0) for phase in phases)
    told = sum(report["joins"]["told"] for report in reports)
    wrong = sum(report["joins"]["told_wrong"] for report in reports)
    orders = sum(phase.get("one_order") is False for phase in phases)
    return (
        f"Of {deliveries:,} deliveries to clients of this server: {counts}; {orders} runs in which"
        f" two receivers heard another order. Of {told:,} join notices, {wrong:,} were missing or"
        " sent twice."
    )
