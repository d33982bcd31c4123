"""What a fault is."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen

from .host import Change


@frozen
class Fault:
    """A server with one fault.

    `also` has the requirements that cannot but be blamed too, each with the reason why: whoever
    breaks the one breaks them, or they can't be told apart from outside.
    """

    name: str
    requirement: str
    sentence: str
    change: Change
    also: Mapping[str, str] = field(factory=dict)
    #: Which cases it takes to see it: those that run only when they are asked for.
    disruptive: bool = False
    timed: bool = False
    #: The suite expects TLS.
    tls: bool = False
    #: The server goes away for it.
    dies: bool = False
    #: Nothing can be tested, which has to be said, and no requirement may be met.
    unreachable: bool = False
