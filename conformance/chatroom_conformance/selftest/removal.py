"""Whether the self-test would notice if a check of the suite were gone.

A *check* is a place in a case that can blame a requirement: a claim, by the case and the line it is
made in; a vector; a monitor's rule. Each is turned into a pass, one at a time, and a fault that
only this check sees has to survive then. A check that no fault needs is either *redundant*,
because others see the same faults, or *untried*, because no fault is seen by it at all.
"""

from __future__ import annotations

import contextlib
import functools
import sys
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from types import FrameType
from typing import Any

from attrs import define, evolve, field, frozen

from ..cases import load_cases
from ..monitors import RULES, Monitors
from ..runner import Options
from ..vocabulary import Client, FailureError, Room
from . import matrix
from .faults import FAULTS
from .host import Change

#: The server's death is seen by the runner, and by no check of a case.
DEATH = "death"


@define
class _Watch:
    """What the checks do in one run, with one of them turned into a pass, perhaps."""

    removed: str = ""
    made: set[str] = field(factory=set)
    #: The requirements that each check blamed.
    blamed: dict[str, set[str]] = field(factory=lambda: defaultdict(set))
    #: The check that has just been turned into a pass.
    passed: bool = False

    def fails(self, check: str, requirement: str) -> bool:
        """A check fails: whether that counts."""
        self.passed = check == self.removed
        if not self.passed:
            self.blamed[check].add(requirement)
        return not self.passed


def _place(case_id: str) -> str:
    """The check that is being made: the case, and the line in the modules of cases."""
    if case_id.startswith("vectors."):
        return case_id
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        module = str(frame.f_globals.get("__name__"))
        package, _, name = module.rpartition(".")
        if package.endswith(".cases") and name != "common":
            return f"{case_id} at {name}.py:{_first_line(frame)}"
        frame = frame.f_back
    return f"{case_id} somewhere"


def _first_line(frame: FrameType) -> int:
    """The line in which the call begins that this frame is in."""
    positions = getattr(frame.f_code, "co_positions", None)
    if positions is None:
        return frame.f_lineno
    line = list(positions())[frame.f_lasti // 2][0]
    return int(line) if line is not None else frame.f_lineno


@contextlib.contextmanager
def _watching(watch: _Watch) -> Iterator[None]:
    """Look over the shoulder of every check of this process meanwhile."""
    fakes: dict[tuple[type, str], Callable[..., Any]] = {
        (Room, "fail"): _failing(watch, Room.fail),
        (Room, "claim"): _making(watch, Room.claim, lambda room: room),
        (Monitors, "_wrong"): _wrong(watch, Monitors._wrong),
    }
    for name in ("expect", "expect_end", "never"):
        original = getattr(Client, name)
        fakes[Client, name] = _making(watch, original, lambda client: client.room)
    before = {(owner, name): getattr(owner, name) for owner, name in fakes}
    for (owner, name), function in fakes.items():
        setattr(owner, name, function)
    try:
        yield
    finally:
        for (owner, name), function in before.items():
            setattr(owner, name, function)


def _failing(watch: _Watch, original: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(original)
    def fail(room: Room, *words: str, **options: Any) -> None:
        requirement = options.get("req") or room.requirement
        if watch.fails(_place(room.case_id), requirement):
            original(room, *words, **options)

    return fail


def _making(
    watch: _Watch, original: Callable[..., Any], room_of: Callable[[Any], Room]
) -> Callable[..., Any]:
    """Note that the check is made; where it is removed, go on when it fails."""

    @functools.wraps(original)
    def make(self: Any, *words: Any, **options: Any) -> Any:
        check = _place(room_of(self).case_id)
        watch.made.add(check)
        try:
            return original(self, *words, **options)
        except FailureError:
            if check != watch.removed:
                raise
            return {}

    return make


def _wrong(watch: _Watch, original: Callable[..., None]) -> Callable[..., None]:
    requirement_of = {rule.name: rule.requirement for rule in RULES}

    @functools.wraps(original)
    def wrong(monitors: Monitors, name: str, *words: Any) -> None:
        if watch.fails(f"monitor.{name}", requirement_of[name]):
            original(monitors, name, *words)

    return wrong


@frozen
class _Run:
    """What came of one run against a fault."""

    killed: bool
    died: bool
    blamed: Mapping[str, Collection[str]]
    made: Collection[str]


def run(name: str, removed: str = "") -> _Run:
    """Run the cases for a fault's requirement, without one check; all of them without a fault."""
    watch = _Watch(removed)
    fault = FAULTS.get(name)
    with _watching(watch):
        if fault is None:
            options = Options(disruptive=True, timed=True)
            result, _ = matrix.judge(Change(), options)
            return _Run(False, False, {}, frozenset(watch.made))
        options = matrix.options_for(fault, deep=False, seed=None)
        mine = [*matrix.telling({fault.requirement}), "monitor.*"]
        result, _ = matrix.judge(fault.change, evolve(options, select=mine))
    row = matrix.row_of(name, result, "", may_die=True)
    blamed = {check: frozenset(names) for check, names in watch.blamed.items()}
    killed = fault.requirement in row.blamed
    died = result.death is not None and killed
    return _Run(killed, died, blamed, frozenset(watch.made))


def report(faults: Sequence[str], jobs: int) -> int:
    """Remove each check in turn, and print what came of it; 1 if a fault isn't seen at all."""
    with matrix.processes(jobs) as pool:
        plain = pool.submit(run, "")
        first = dict(zip(faults, pool.map(run, faults), strict=True))
        pairs = list(_needed(first))
        survived = list(pool.map(_survives, pairs))
        made = set(plain.result().made).union(*(found.blamed for found in first.values()))
    noticed = {check for (_, check), survives in zip(pairs, survived, strict=True) if survives}
    tried = set().union(*(found.blamed for found in first.values()))
    _print(_all_checks(made), noticed, tried)
    unseen = [
        name for name, found in first.items() if not found.killed and not FAULTS[name].unreachable
    ]
    for name in unseen:
        print(f"{name} is not blamed, whatever is removed")
    return 1 if unseen else 0


def _needed(first: Mapping[str, _Run]) -> Iterator[tuple[str, str]]:
    """Each fault that one check alone sees, with that check."""
    for name, found in first.items():
        requirement = FAULTS[name].requirement
        seeing = [check for check, blamed in found.blamed.items() if requirement in blamed]
        if len(seeing) == 1 and not found.died:
            yield name, seeing[0]


def _survives(pair: tuple[str, str]) -> bool:
    """Whether a fault isn't blamed any more without a check."""
    return not run(*pair).killed


def _all_checks(made: Iterable[str]) -> dict[str, list[str]]:
    """All checks, by their sort."""
    checks: dict[str, set[str]] = {"claims of cases": set(), "vectors": set(), "monitors": set()}
    checks["vectors"] = {name for name in load_cases() if name.startswith("vectors.")}
    checks["monitors"] = {f"monitor.{rule.name}" for rule in RULES}
    for check in made:
        if not check.startswith(("vectors.", "monitor.")):
            checks["claims of cases"].add(check)
    return {sort: sorted(found) for sort, found in checks.items()}


def _print(checks: Mapping[str, list[str]], noticed: set[str], tried: set[str]) -> None:
    for sort, found in checks.items():
        redundant = [check for check in found if check in tried - noticed]
        untried = [check for check in found if check not in tried | noticed]
        for check in redundant:
            print(f"redundant: {check}")
        for check in untried:
            print(f"untried:   {check}")
        count = len([check for check in found if check in noticed])
        print(
            f"{len(found)} {sort} removed: {count} noticed by a fault that survives, "
            f"{len(redundant)} redundant, {len(untried)} untried"
        )
