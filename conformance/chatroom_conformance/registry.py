"""The list of cases. A case is a function of a `Room`; the decorator here registers it."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterable
from enum import IntEnum
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    from .vocabulary import Room

Body = Callable[["Room"], None]


class Risk(IntEnum):
    """What a case may do to a fragile server: cases run in this order."""

    NONE = 0  #: one frame at a time, orderly ends
    FRAMING = 1  #: frames cut and glued
    DEADLY = 2  #: abrupt ends, malformed input, values of wrong types
    FLOOD = 3  #: much of anything
    LAST = 4  #: what has to hold after all of it


class RegistrationError(Exception):
    """A case that could not prove what it says."""


@frozen
class Case:
    """A case: `requirements` are what it can blame, the first one when it says nothing else."""

    id: str
    body: Body
    requirements: tuple[str, ...]
    needs: tuple[str, ...] = ()
    risk: Risk = Risk.NONE
    timed: bool = False
    disruptive: bool = False
    alone: bool = False  #: never beside another case of the kind
    residents: bool = False  #: uses people who stay in the room from one such case to the next
    about: str = ""  #: what it is there for, where the id doesn't say

    @property
    def area(self) -> str:
        """The part of the id before the first dot."""
        return self.id.partition(".")[0]

    @property
    def rule(self) -> str:
        """The sentence of the specification, as the docstring quotes it."""
        return inspect.cleandoc(self.body.__doc__ or "").partition("\n\n")[0].replace("\n", " ")

    @property
    def title(self) -> str:
        """What it is there for, in a line."""
        return self.about or self.id.partition(".")[2].replace("-", " ")


CASES: dict[str, Case] = {}


def case(
    name: str,
    *requirements: str,
    needs: Iterable[str] = (),
    risk: Risk = Risk.NONE,
    timed: bool = False,
    disruptive: bool = False,
    control: str = "",
) -> Callable[[Body], Body]:
    """Register the decorated function as a case.

    Args:
        name: `area.name`, unique.
        requirements: ids of the specification.
        needs: cases that must have passed, or this one is BLOCKED.
        risk: how a fragile server may take it.
        timed: it has to wait for time to pass.
        disruptive: it may harm other people in the room, so it runs only when asked for.
        control: a case that shows that what is ruled out here would be seen; it is needed too.

    Raises:
        RegistrationError: no rule, no requirement, an id twice, or an absence without proof.
    """

    def register(body: Body) -> Body:
        needed = (*needs, control) if control else tuple(needs)
        found = Case(name, body, requirements, needed, risk, timed, disruptive)
        _check(found, controlled=bool(control))
        CASES[name] = found
        return body

    return register


def _check(found: Case, *, controlled: bool) -> None:
    if found.id in CASES:
        raise RegistrationError(f"two cases are called {found.id}")
    if not found.requirements:
        raise RegistrationError(f"{found.id} names no requirement")
    if not found.rule:
        raise RegistrationError(f"{found.id} quotes no rule")
    calls = _calls(found.body)
    nevers = [call for call in calls if _name(call) == "never"]
    if any("until" not in {keyword.arg for keyword in call.keywords} for call in nevers):
        raise RegistrationError(f"{found.id}: `never` without a fence (until=...) proves nothing")
    if nevers and not controlled and not any(_name(call) == "expect" for call in calls):
        raise RegistrationError(
            f"{found.id}: `never` without a positive control (an `expect`, or control=...) "
            "proves nothing"
        )


def _calls(body: Body) -> list[ast.Call]:
    tree = ast.parse(textwrap.dedent(inspect.getsource(body)))
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call)]


def _name(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else ""


def select(patterns: Iterable[str], ids: Iterable[str]) -> tuple[list[str], list[str]]:
    """The ids that fit any of the ids or globs, and the patterns that fit none."""
    known = list(ids)
    chosen: set[str] = set()
    unmatched = []
    for pattern in patterns:
        found = [name for name in known if name == pattern or fnmatchcase(name, pattern)]
        chosen.update(found)
        if not found:
            unmatched.append(pattern)
    return [name for name in known if name in chosen], unmatched
