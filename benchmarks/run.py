"""Compares the reference server with a bare fan-out in C and with ngircd, in turn, in one run.

``python benchmarks/run.py`` prints the table; ``--write`` also keeps it in this folder, and
``--plot`` draws the plot instead. The first takes about eight minutes, the second five.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path
from statistics import median

from benchmarks.contenders import (
    HERE,
    OURS,
    BenchmarkError,
    Report,
    Side,
    available,
    measure,
    workshop,
)
from benchmarks.figures import LOADS, Load, Results, of_this_server, table
from benchmarks.plot import SIZES, draw
from benchmarks.soak import soak

README = HERE / "README.md"
PLOT = HERE / "receivers.svg"
_BEGIN, _END = "<!-- figures: written by run.py -->", "<!-- end of figures -->"


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _run(load: Load, folder: Path) -> dict[str, Report]:
    """Do a load once, and tell how it went."""
    there = available()
    sides = [side for side in load.sides if side.contender in there]
    reports = measure(sides, folder, load.phases * load.turns)
    for name, report in reports.items():
        _tell(f"  {load.name:8} {name:30} {_in_short(load, report)}")
        if not report["right"]:
            _tell(f"  not right: {report}")
    return reports


def _in_short(load: Load, report: Report) -> str:
    parts = [f"{report['joins']['joins_per_second']:,.0f} joins/s"]
    for number in range(len(load.phases)):
        rates = [phase.get("deliveries_per_second") for phase in report["phases"]]
        some = [rate for rate in rates[number :: len(load.phases)] if rate is not None]
        parts.append(f"{median(some):,.0f}/s" if some else "")
    return "  ".join(parts)


def _got_through(load: Load, report: Report) -> bool:
    return len(report["phases"]) == len(load.phases) * load.turns and not report["lost_clients"]


def _round(folder: Path, results: Results) -> None:
    for load in LOADS:
        for _ in range(load.times):
            reports = _run(load, folder)
            for name, report in reports.items():
                if not _got_through(load, report):
                    why = report["why"] or "not everybody joined"
                    raise BenchmarkError(f"{name} did not get through {load.name}: {why}")
            results.setdefault(load.name, []).append(reports)


def _curves(folder: Path) -> dict[str, dict[int, Report]]:
    """Measure at every size; another server's curve ends where it loses or garbles something."""
    curves: dict[str, dict[int, Report]] = {name: {} for name in available()}
    going = list(curves)
    for size in SIZES:
        options = ("--receivers", f"{size}", "--joining", "64")
        sides = tuple(Side(name, name, options) for name in going)
        load = Load(f"{size}", sides, (f"window:1:{max(10, 20_000 // size)}",), turns=7)
        for name, report in _run(load, folder).items():
            if _got_through(load, report) and report["right"]:
                curves[name][size] = report
            elif name == OURS:
                raise BenchmarkError(f"{name} was not right with {size} receivers")
            else:
                going.remove(name)
    return curves


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
    parser.add_argument("--rounds", type=int, default=3, help="(default: %(default)s)")
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
            results: Results = {}
            for number in range(options.rounds):
                _tell(f"round {number + 1} of {options.rounds}")
                _round(folder, results)
            figures = f"{_where()}; {options.rounds} rounds.\n\n{table(results)}"
            print(figures)
            if options.write:
                _keep(figures)
    except BenchmarkError as error:
        _tell(f"benchmarks.run: {error}")
        return 2
    return 0 if all(report["right"] for report in of_this_server(results)) else 1


if __name__ == "__main__":
    sys.exit(main())
