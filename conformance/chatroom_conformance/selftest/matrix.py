"""The kill matrix: each fault against the requirements that are blamed for it."""

from __future__ import annotations

import multiprocessing
import random
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

from attrs import evolve, field, frozen

from ..cases import load_cases
from ..monitors import Monitors
from ..registry import Risk
from ..requirements import requirements
from ..results import RunResult, Status, for_servers, is_must, is_should
from ..runner import Options, run
from .fault import Fault
from .faults import FAULTS
from .host import Change
from .odd import ODD, Odd
from .secure import client_context

#: The server without a fault, among the odd ones.
PLAIN = "plain"
#: Servers in this process answer in microseconds; a loaded machine needs the rest.
TIMEOUT_SCALE = 0.5
#: Where nothing is at fault nobody waits in vain, so patience costs nothing.
PATIENT_SCALE = 5.0


@frozen
class Blame:
    """A requirement that is blamed, and what for."""

    requirement: str
    case: str
    permitted: str
    actual: str

    def __str__(self) -> str:
        """One line."""
        return f"{self.requirement} by {self.case}: {self.permitted}; {self.actual}"


@frozen
class Row:
    """What the suite says of one server."""

    name: str
    blamed: Mapping[str, Blame]
    met: Collection[str]
    undecided: Mapping[str, str] = field(factory=dict)
    cases: int = 0  #: that ran
    seconds: float = 0.0
    trouble: str = ""  #: the server was unreachable, or died, or the suite has a bug
    seed: int | None = None


def processes(jobs: int) -> ProcessPoolExecutor:
    """Processes to run servers and suites in, one pair each.

    They are spawned, since a fork of a process with threads may hang.
    """
    return ProcessPoolExecutor(max(1, jobs), mp_context=multiprocessing.get_context("spawn"))


def testable() -> list[str]:
    """The requirements on servers for which there have to be faults."""
    return [
        requirement.id
        for requirement in requirements().values()
        if for_servers(requirement.role)
        and requirement.tested != "no"
        and (is_must(requirement.level) or is_should(requirement.level))
    ]


def covering(names: Collection[str]) -> list[str]:
    """The cases and monitors that can blame one of these requirements."""
    cases = [case.id for case in load_cases().values() if set(case.requirements) & set(names)]
    monitors = [
        result.id
        for result in Monitors().results(lambda _: True)
        if set(result.requirements) & set(names)
    ]
    return cases + monitors


def telling(names: Collection[str]) -> list[str]:
    """The cases that it takes to blame one of these requirements."""
    found = covering(names)
    if all(name.startswith("monitor.") for name in found):
        # A monitor sees what others provoke.
        found += [name for name in load_cases() if not name.startswith("vectors.")]
    return found


def judge(change: Change, options: Options) -> tuple[RunResult, str]:
    """Run the suite against a server with this change; with what went wrong besides."""
    with change.serve() as server:
        result = run(server.address, options)
    return result, server.crash or result.suite_bug or result.trouble


def row_of(name: str, result: RunResult, trouble: str, *, may_die: bool = False) -> Row:
    """Sum up a run."""
    blamed: dict[str, Blame] = {}
    for case in result.cases:
        for finding in case.findings:
            if finding.status in (Status.VIOLATED, Status.DEVIATES):
                blame = Blame(finding.requirement, case.id, finding.permitted, finding.actual)
                blamed.setdefault(finding.requirement, blame)
    if result.death and not may_die:
        trouble = trouble or result.death.sentence
    states = {requirement.id: requirement.status for requirement in result.requirements}
    return Row(
        name,
        blamed,
        frozenset(name for name, status in states.items() if status is Status.MET),
        {r.id: r.reason for r in result.requirements if r.status is Status.INCONCLUSIVE},
        sum(case.status is not Status.UNTESTED for case in result.cases),
        result.seconds,
        trouble,
    )


def options_for(fault: Fault, *, deep: bool, seed: int | None, sample: int = 0) -> Options:
    """How the suite is run against a fault.

    In depth that is all of it. Otherwise it is what covers the fault's requirement, all monitors,
    and so many other cases, chosen by the seed.
    """
    slow = fault.disruptive or fault.timed
    options = Options(
        timeout_scale=2.0 if slow else TIMEOUT_SCALE,
        seed=seed,
        disruptive=fault.disruptive,
        timed=fault.timed,
        tls=client_context() if fault.tls else None,
    )
    if deep:
        return options
    mine = telling({fault.requirement, *fault.also})
    rest = sorted(
        case.id
        for case in load_cases().values()
        if case.id not in mine and not case.timed and not case.disruptive
    )
    chosen = random.Random(f"{fault.name}/{seed}").sample(rest, min(sample, len(rest)))
    return evolve(options, select=[*mine, *chosen, "monitor.*"])


def run_fault(name: str, *, deep: bool, seed: int | None = None, sample: int = 0) -> Row:
    """Run one fault, by its name, so that another process can do it."""
    fault = FAULTS[name]
    options = options_for(fault, deep=deep, seed=seed, sample=sample)
    result, trouble = judge(fault.change, options)
    return row_of(name, result, trouble, may_die=fault.dies)


def odd_options(odd: Odd, *, deep: bool, seed: int | None, sample: int = 0) -> Options:
    """How the suite is run against an odd server: all of it, or so many cases."""
    tls = client_context() if odd.tls else None
    options = Options(
        timeout_scale=odd.timeout_scale, seed=seed, disruptive=odd.disruptive, tls=tls
    )
    if deep:
        return options
    plain = sorted(
        case.id
        for case in load_cases().values()
        if not case.timed and (odd.shards == 1 or case.risk is Risk.NONE)
    )
    # Where all takes long, what a case needs takes long too.
    sample = sample if odd.shards == 1 else sample // 5
    chosen = random.Random(f"{odd.name}/{seed}").sample(plain, min(sample, len(plain)))
    return evolve(options, disruptive=False, select=[*chosen, "monitor.*"])


def run_odd(name: str, *, deep: bool, seed: int | None = None, sample: int = 0) -> Row:
    """Run an odd server, by its name; in shards where it has some."""
    odd = ODD[name]
    options = odd_options(odd, deep=deep, seed=seed, sample=sample)
    if odd.shards == 1:
        return row_of(name, *judge(odd.change, options))
    chosen = options.select or [case.id for case in load_cases().values()]
    cases = [case for case in chosen if not case.startswith("monitor.")]
    parts = [cases[start :: odd.shards] for start in range(min(odd.shards, len(cases)))]
    with ThreadPoolExecutor(odd.shards) as pool:
        runs = pool.map(
            lambda part: judge(odd.change, evolve(options, select=[*part, "monitor.*"])), parts
        )
        return _together(name, [row_of(name, *found) for found in runs])


def _together(name: str, rows: Sequence[Row]) -> Row:
    blamed = {name: blame for row in rows for name, blame in row.blamed.items()}
    return Row(
        name,
        blamed,
        frozenset().union(*(row.met for row in rows)),
        {name: reason for row in rows for name, reason in row.undecided.items()},
        sum(row.cases for row in rows),
        max(row.seconds for row in rows),
        next((row.trouble for row in rows if row.trouble), ""),
    )


def faults_with_odd(row: Row) -> list[str]:
    """What is wrong with the row of an odd server: sentences."""
    wrong = [f"{row.name}: {row.trouble}"] if row.trouble else []
    wrong += [f"{row.name}: blamed though it is right: {blame}" for blame in row.blamed.values()]
    wrong += [f"{row.name}: {name} is undecided: {why}" for name, why in row.undecided.items()]
    return wrong


def run_shuffled(name: str, *, seed: int) -> Row:
    """Run all cases in an order of their own, against a fault or the server without any."""
    if name:
        return evolve(run_fault(name, deep=True, seed=seed), seed=seed)
    row = row_of(PLAIN, *judge(Change(), Options(timeout_scale=PATIENT_SCALE, seed=seed)))
    return evolve(row, seed=seed)


def ordinary() -> list[str]:
    """The requirements that a run without disruptive and timed cases can decide."""
    names = {
        name
        for case in load_cases().values()
        if not case.disruptive and not case.timed
        for name in case.requirements
    }
    names.update(
        rule for result in Monitors().results(lambda _: True) for rule in result.requirements
    )
    return sorted(names)


def unbroken() -> list[str]:
    """The requirements that have to be broken by some fault, and are by none."""
    broken = {fault.requirement for fault in FAULTS.values()}
    return [name for name in testable() if name not in broken]


def stale(row: Row) -> list[str]:
    """The exceptions of a fault that were not needed, as sentences."""
    also = FAULTS[row.name].also
    return [
        f"{row.name}: {name} is excepted, and not blamed" for name in also if name not in row.blamed
    ]


def faults_in(row: Row) -> list[str]:
    """What is wrong with a row: sentences, none when the suite did what it has to."""
    fault = FAULTS[row.name]
    if fault.unreachable:
        quiet = row.trouble and not row.met and not row.blamed
        return [] if quiet else [f"{row.name}: nothing can be tested, and that isn't said"]
    wrong = [f"{row.name}: {row.trouble}"] if row.trouble else []
    if fault.requirement not in row.blamed:
        state = "met" if fault.requirement in row.met else "undecided"
        wrong.append(f"{row.name}: {fault.requirement} is {state}, though it is broken")
    for name, blame in row.blamed.items():
        if name != fault.requirement and name not in fault.also:
            wrong.append(f"{row.name}: unrelated blame: {blame}")
    return wrong
