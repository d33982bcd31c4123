"""The test vectors as octets, for tests that need nothing else of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from attrs import frozen

FOLDER = Path(__file__).parents[2] / "spec" / "vectors"


@frozen
class Vector:
    """``receiver`` is the role that gets the octets, in ``state``; see the folder's README."""

    name: str
    receiver: str
    state: str
    octets: bytes
    objects: int


def vectors() -> Iterator[Vector]:
    """Give every vector of every file."""
    for path in sorted(FOLDER.glob("*.json")):
        content = json.loads(path.read_text(encoding="utf-8"))
        for vector in content["vectors"]:
            yield Vector(
                vector["id"],
                content["receiver"],
                vector["state"],
                _octets(vector["input"]),
                vector["objects"],
            )


def _octets(value: Any) -> bytes:
    return _piece(value) if isinstance(value, str) else b"".join(map(_piece, value))


def _piece(piece: Any) -> bytes:
    if isinstance(piece, str):
        return piece.encode()
    if "hex" in piece:
        once = bytes.fromhex(piece["hex"])
    else:
        once = str(piece.get("text", piece.get("name"))).encode()
    return once * int(piece.get("times", 1))
