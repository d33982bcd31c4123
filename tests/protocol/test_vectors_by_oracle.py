"""What decoders make of the test vectors: ours, the oracle, and two other strict parsers."""

from __future__ import annotations

import pytest

from chatroom_protocol import ClientLimits, ServerLimits
from tests.protocol.test_framing_properties import PARSERS, agree, check_parser, receive
from tests.protocol.vectors import Vector, vectors

VECTORS = list(vectors())
# The oracle takes seconds for a megabyte, and what is said there is said of 64 kB too.
SLOW = 200_000


def limits(vector: Vector) -> tuple[int, int]:
    given = ServerLimits() if vector.receiver == "server" else ClientLimits()
    return given.max_frame_octets, given.max_depth


def test_there_are_vectors() -> None:
    assert len(VECTORS) > 500


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_the_oracle_agrees(vector: Vector) -> None:
    if len(vector.octets) < SLOW:
        agree(vector.octets, *limits(vector))
    agree(vector.octets[:5000], 4096, 16)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_cuts_change_nothing(vector: Vector) -> None:
    whole = receive([vector.octets], *limits(vector))
    assert sum(isinstance(item, dict) for item in whole) == vector.objects
    for size in (1, 2, 7, 1460):
        octets = vector.octets
        if len(octets) // size < SLOW:
            pieces = [octets[i : i + size] for i in range(0, len(octets), size)]
            assert receive(pieces, *limits(vector)) == whole


@pytest.mark.parametrize("name", PARSERS)
def test_another_strict_parser_agrees(name: str) -> None:
    for vector in VECTORS:
        check_parser(name, vector.octets[:SLOW])
