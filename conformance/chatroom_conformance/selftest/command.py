"""The command `selftest`: every fault, every odd server, and what the suite says of them."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from fnmatch import fnmatchcase

from attrs import define, field

from . import matrix
from .faults import FAULTS
from .matrix import Row
from .odd import ODD

PROGRAM = "chatroom-conformance selftest"
#: How many cases beside those for its requirement a fault is run against in a quick run.
SAMPLE = 4
QUICK_ODD_SAMPLE = 20


def main(words: Sequence[str]) -> int:
    """Run it; 0 when the suite did what it has to, 1 when not, 2 for a wrong command line."""
    arguments = _parser().parse_args(words)
    try:
        faults, odd = _chosen(arguments.names)
    except LookupError as error:
        print(f"{PROGRAM}: {error.args[0]}", file=sys.stderr)
        return 2
    if arguments.list:
        _list(faults, odd)
        return 0
    if arguments.remove_checks:
        from .removal import report

        return report(faults, arguments.jobs)
    found = _run(faults, odd, arguments)
    return _report(found, complete=not arguments.names, quick=arguments.quick)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Tests the suite itself: against servers with one fault each, which it has to "
        "blame for just that, and against odd servers, which it must not blame at all.",
    )
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="names or globs of faults and odd servers, or ids of requirements (default: all)",
    )
    parser.add_argument("--list", action="store_true", help="say what there is, and run nothing")
    parser.add_argument(
        "--jobs", type=_count, default=4 * (os.cpu_count() or 1), metavar="N",
        help="servers tested at a time (default: four for each processor, since most of them wait)",
    )  # fmt: skip
    parser.add_argument(
        "--shuffles", type=_count, default=0, metavar="N",
        help="shuffled runs besides, none of which may change a verdict",
    )  # fmt: skip
    parser.add_argument(
        "--quick",
        action="store_true",
        help="only the cases for a fault's requirement, and a sample of the rest",
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N",
        help="chooses the sample of --quick, and the order of shuffled runs",
    )  # fmt: skip
    parser.add_argument(
        "--remove-checks",
        action="store_true",
        help="turn each check of the cases into a pass, one at a time, and see whether a fault "
        "survives for it",
    )
    return parser


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is no number")
    return int(text)


def _chosen(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """The faults and odd servers that these names, globs and ids mean.

    Raises:
        LookupError: one of them means none.
    """
    if not names:
        return list(FAULTS), list(ODD)
    faults: dict[str, None] = {}
    odd: dict[str, None] = {}
    for name in names:
        mine = [
            fault.name
            for fault in FAULTS.values()
            if fnmatchcase(fault.name, name) or fnmatchcase(fault.requirement, name)
        ]
        others = [known for known in ODD if fnmatchcase(known, name)]
        if not mine and not others:
            raise LookupError(
                f"{name!r} is no fault, no odd server and no requirement with a fault; "
                "--list shows what there is"
            )
        faults.update(dict.fromkeys(mine))
        odd.update(dict.fromkeys(others))
    return list(faults), list(odd)


def _list(faults: Iterable[str], odd: Iterable[str]) -> None:
    for name in faults:
        print(f"{name:26} {FAULTS[name].requirement:12} {FAULTS[name].sentence}")
    for name in odd:
        print(f"{name:26} {'(odd)':12} {ODD[name].sentence}")


@define
class Findings:
    """All rows, and how the shuffled ones differ."""

    faults: dict[str, Row] = field(factory=dict)
    odd: dict[str, Row] = field(factory=dict)
    shuffled: list[Row] = field(factory=list)
    seconds: float = 0.0


def _run(faults: list[str], odd: list[str], arguments: argparse.Namespace) -> Findings:
    began = time.monotonic()
    found = Findings()
    total = len(faults) + len(odd) + arguments.shuffles
    with matrix.processes(arguments.jobs) as pool:
        futures = _submit(pool, faults, odd, arguments)
        for number, future in enumerate(as_completed(futures), 1):
            group, row = futures[future], future.result()
            if group == "shuffled":
                found.shuffled.append(row)
            else:
                (found.faults if group == "fault" else found.odd)[row.name] = row
            judge = {"fault": matrix.faults_in, "odd": matrix.faults_with_odd}.get(group)
            bad = ", FAILED" if judge and judge(row) else ""
            print(f"{number}/{total} {row.name} ({row.seconds:.1f} s){bad}", file=sys.stderr)
            for line in judge(row) if judge else ():
                print(f"    {line}", file=sys.stderr, flush=True)
    found.seconds = time.monotonic() - began
    return found


def _submit(
    pool: ProcessPoolExecutor, faults: list[str], odd: list[str], arguments: argparse.Namespace
) -> dict[Future[Row], str]:
    """Hand out the work, the longest first; and which group each piece belongs to."""
    deep, seed = not arguments.quick, arguments.seed
    futures: dict[Future[Row], str] = {}
    for name in odd:
        run = pool.submit(matrix.run_odd, name, deep=deep, seed=seed, sample=QUICK_ODD_SAMPLE)
        futures[run] = "odd"
    ordered = sorted(faults, key=lambda name: not (FAULTS[name].timed or FAULTS[name].disruptive))
    for name in ordered:
        run = pool.submit(matrix.run_fault, name, deep=deep, seed=seed, sample=SAMPLE)
        futures[run] = "fault"
    for number in range(arguments.shuffles):
        name = faults[number % len(faults)] if faults and number % 2 else ""
        run = pool.submit(matrix.run_shuffled, name, seed=seed + number + 1)
        futures[run] = "shuffled"
    return futures


# ---- the report


def _report(found: Findings, *, complete: bool, quick: bool) -> int:
    print(*_table(found.faults), sep="\n")
    wrong = [line for row in found.faults.values() for line in matrix.faults_in(row)]
    if not quick:
        wrong += [line for row in found.faults.values() for line in matrix.stale(row)]
    wrong += [line for row in found.odd.values() for line in matrix.faults_with_odd(row)]
    wrong += [line for row in found.shuffled for line in _changed(row, found)]
    if complete:
        wrong += [f"no fault breaks {name}" for name in matrix.unbroken()]
    if wrong:
        print("", *wrong, sep="\n")
    print("", *_figures(found), sep="\n")
    print("SELF-TEST FAILED" if wrong else "SELF-TEST PASSED")
    return 1 if wrong else 0


def _table(rows: Mapping[str, Row]) -> Iterator[str]:
    """The kill matrix: a fault a line, with all that was blamed for it."""
    if rows:
        yield f"{'fault':26} {'breaks':12} blamed"
    for name, fault in FAULTS.items():
        if name in rows:
            blamed = rows[name].blamed
            killed = fault.requirement in blamed
            if fault.unreachable:
                yield f"{name:26} {fault.requirement:12} ({rows[name].trouble})"
                continue
            others = sorted(set(blamed) - {fault.requirement})
            marks = [f"+{other}" if other in fault.also else f"!{other}" for other in others]
            words = [fault.requirement if killed else "NOT BLAMED", *marks]
            yield f"{name:26} {fault.requirement:12} {' '.join(words)}"


def _figures(found: Findings) -> Iterator[str]:
    rows = found.faults.values()
    killed = sum(_is_seen(row) for row in rows)
    broken = {FAULTS[row.name].requirement for row in rows}
    excused = sum(len(FAULTS[row.name].also) for row in rows)
    yield f"{killed} of {len(found.faults)} faults blamed on their {len(broken)} requirements"
    yield f"{excused} further blames that cannot but follow (+), each with its reason in the table"
    clean = sum(not matrix.faults_with_odd(row) for row in found.odd.values())
    yield f"{clean} of {len(found.odd)} odd servers without a failure"
    if found.shuffled:
        same = sum(not list(_changed(row, found)) for row in found.shuffled)
        yield f"{same} of {len(found.shuffled)} shuffled runs with the same verdicts"
    yield f"{found.seconds:.0f} seconds"


def _is_seen(row: Row) -> bool:
    fault = FAULTS[row.name]
    return fault.requirement in row.blamed or (fault.unreachable and bool(row.trouble))


def _changed(row: Row, found: Findings) -> Iterator[str]:
    """How a shuffled run differs from the one that wasn't."""
    if row.name in found.faults:
        before: set[str] = set(found.faults[row.name].blamed)
        now = set(row.blamed)
    elif matrix.PLAIN in found.odd:
        before, now = set(found.odd[matrix.PLAIN].met), set(row.met)
        now |= before - set(matrix.ordinary())
    else:
        return
    for name in sorted(before ^ now):
        yield f"shuffled by seed {row.seed}, {row.name}: {name} has another verdict"
