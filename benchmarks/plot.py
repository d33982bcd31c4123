"""Draws throughput and memory against the number of receivers, as one SVG."""

from __future__ import annotations

import math
from statistics import median
from typing import Any

from benchmarks.contenders import CEILING, NGIRCD, OURS

SIZES = (10, 30, 100, 300, 1000, 3000, 5000)
_COLOURS = {CEILING: "#8a8a8a", NGIRCD: "#c0662a", OURS: "#2a78c0"}
_WIDTH, _HEIGHT, _LEFT, _TOP = 380, 220, 70, 40
_STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #222 }
  .axis { stroke: #777; fill: none } .grid { stroke: #ddd }
  @media (prefers-color-scheme: dark) { text { fill: #ddd } .grid { stroke: #444 } }
"""

# Value by size and contender.
Curve = dict[str, dict[int, float]]


def throughput(reports: dict[str, dict[int, dict[str, Any]]]) -> Curve:
    """Return thousand deliveries a second."""
    return {
        name: {
            n: median(phase["deliveries_per_second"] for phase in report["phases"]) / 1000
            for n, report in of.items()
        }
        for name, of in reports.items()
    }


def memory(reports: dict[str, dict[int, dict[str, Any]]]) -> Curve:
    """Return resident megabytes with everyone connected."""
    return {
        name: {n: r["memory"]["rss_kb"] / 1000 for n, r in of.items()}
        for name, of in reports.items()
    }


def _nice_top(value: float) -> float:
    step = 10.0 ** math.floor(math.log10(value))
    return next(step * f for f in (1, 2, 3, 4, 5, 6, 8, 10) if step * f >= value)


def _panel(title: str, curve: Curve, left: int) -> list[str]:
    top = _nice_top(max(max(values.values()) for values in curve.values()))
    low, high = math.log(SIZES[0]), math.log(SIZES[-1])

    def x(size: float) -> float:
        return left + (math.log(size) - low) / (high - low) * _WIDTH

    def y(value: float) -> float:
        return _TOP + _HEIGHT * (1 - value / top)

    out = [f'<text x="{left}" y="{_TOP - 16}">{title}</text>']
    for part in range(5):
        value = top * part / 4
        out.append(
            f'<line class="grid" x1="{left}" x2="{left + _WIDTH}"'
            f' y1="{y(value):.1f}" y2="{y(value):.1f}"/>'
            f'<text x="{left - 8}" y="{y(value) + 4:.1f}" text-anchor="end">{value:g}</text>'
        )
    for size in SIZES:
        label = f"{size // 1000}k" if size >= 1000 else f"{size}"
        out.append(
            f'<text x="{x(size):.1f}" y="{_TOP + _HEIGHT + 20}" text-anchor="middle">{label}</text>'
        )
    for name, values in curve.items():
        points = " ".join(f"{x(n):.1f},{y(v):.1f}" for n, v in sorted(values.items()))
        out.append(
            f'<polyline points="{points}" fill="none" stroke="{_COLOURS[name]}" stroke-width="2"/>'
        )
        out += [
            f'<circle cx="{x(n):.1f}" cy="{y(v):.1f}" r="3" fill="{_COLOURS[name]}"/>'
            for n, v in values.items()
        ]
    return out


def draw(reports: dict[str, dict[int, dict[str, Any]]]) -> str:
    """Return the SVG for reports by contender and number of receivers."""
    second = _LEFT + _WIDTH + 90
    width, height = second + _WIDTH + 30, _TOP + _HEIGHT + 70
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img"'
        ' aria-label="Throughput and memory against the number of receivers">',
        f"<style>{_STYLE}</style>",
        *_panel("thousand deliveries/s, window 1", throughput(reports), _LEFT),
        *_panel("resident memory, MB", memory(reports), second),
        f'<text x="{width / 2:.0f}" y="{height - 32}" text-anchor="middle">receivers</text>',
    ]
    for number, name in enumerate(reports):
        at = width / 2 - 180 + 130 * number
        parts.append(
            f'<circle cx="{at:.0f}" cy="{height - 13}" r="5" fill="{_COLOURS[name]}"/>'
            f'<text x="{at + 10:.0f}" y="{height - 9}">{name}</text>'
        )
    return "\n".join([*parts, "</svg>"]) + "\n"
