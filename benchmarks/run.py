"""Compares the reference server with a bare fan-out in C and with ngircd, in turn, in one run.

``python benchmarks/run.py`` prints the table; ``--write`` also keeps it in this folder, and
``--plot`` draws the plot instead. Either takes about six minutes; every step is bounded. Many
short rounds tell more than few long ones, since the speed of a machine changes by the second.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from benchmarks.contenders import HERE, OURS, BenchmarkError, available, measure, workshop
from benchmarks.figures import LOADS, Load, Round, table
from benchmarks.plot import SIZES, draw
from benchmarks.soak import soak

README = HERE / "README.md"
PLOT = HERE / "receivers.svg"
_BEGIN, _END = "<!-- figures: written by run.py -->", "<!-- end of figures -->"


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _run(load: Load, name: str, folder: Path) -> dict[str, Any]:
    report = measure(name, folder, list(load.arguments))
    rates = [f"{p['deliveries_per_second']:,.0f}/s" for p in report["phases"] if "lost" in p]
    joins = f"{report['joins']['joins_per_second']:,.0f} joins/s"
    _tell(f"  {load.name:12} {name:9} {'  '.join([joins, *rates])}")
    if not report["right"]:
        _tell(f"  not right: {report}")
    if len(rates) < sum(not p.startswith("hold") and ":" in p for p in load.arguments):
        why = report["why"] or "not everybody joined and was told of all who did, once"
        raise BenchmarkError(f"{name} did not get through {load.name}: {why}")
    return report


def _round(folder: Path, loads: list[Load]) -> Round:
    there = available()
    return {
        load.name: {name: _run(load, name, folder) for name in load.contenders if name in there}
        for load in loads
    }


def _curves(folder: Path) -> dict[str, dict[int, dict[str, Any]]]:
    """Measure at every size; another server's curve ends where it loses or garbles something."""
    reports: dict[str, dict[int, dict[str, Any]]] = {name: {} for name in available()}
    going = list(reports)
    for size in SIZES:
        messages = max(10, 100_000 // size)
        load = Load(
            f"{size}",
            ("--receivers", f"{size}", "--joining", "64", "--limit", "200", f"window:1:{messages}"),
        )
        for name in tuple(going):
            try:
                report = _run(load, name, folder)
            except BenchmarkError as error:
                if name == OURS:
                    raise
                _tell(f"  {error}")
                going.remove(name)
                continue
            if report["right"]:
                reports[name][size] = report
            elif name == OURS:
                raise BenchmarkError(f"{name} was not right with {size} receivers")
            else:
                going.remove(name)
    return reports


def _where() -> str:
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        cwd=HERE,
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    return (
        f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC, commit {commit or 'unknown'},"
        f" {os.cpu_count()} cores, {platform.system()} {platform.machine()},"
        f" Python {platform.python_version()}"
    )


def _keep(text: str) -> None:
    """Put the figures between the marks of the README."""
    page = README.read_text()
    before, _, rest = page.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    README.write_text(f"{before}{_BEGIN}\n{text}\n{_END}{after}")


def main() -> int:
    """Measure; return 0 if every delivery of every run was right, whatever the speed."""
    parser = argparse.ArgumentParser(prog="benchmarks.run", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7, help="(default: %(default)s)")
    parser.add_argument("--write", action="store_true", help="keep the table")
    parser.add_argument("--plot", action="store_true", help="only draw the plot")
    parser.add_argument(
        "--soak",
        type=float,
        nargs="?",
        const=60.0,
        metavar="SECONDS",
        help="let people come and go for so long instead (default: %(const)s)",
    )
    options = parser.parse_args()
    if options.soak is not None:
        return soak(options.soak)
    try:
        with workshop() as folder:
            if options.plot:
                PLOT.write_text(draw(_curves(folder)))
                return 0
            rounds = []
            for number in range(options.rounds):
                _tell(f"round {number + 1} of {options.rounds}")
                rounds.append(_round(folder, list(LOADS)))
            figures = f"{_where()}; median of {options.rounds} rounds.\n\n{table(rounds)}"
            print(figures)
            if options.write:
                _keep(figures)
    except BenchmarkError as error:
        _tell(f"benchmarks.run: {error}")
        return 2
    return 0 if all(one[name][OURS]["right"] for one in rounds for name in one) else 1


if __name__ == "__main__":
    sys.exit(main())
