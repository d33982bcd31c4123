"""What cases of several areas need."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..matches import response
from ..vocabulary import Client, Room

#: Needed by whoever joins.
JOIN = ("joining.granted",)
#: Needed by whoever says something to everyone.
SAY = ("joining.granted", "messages.everyone")
#: Needed by whoever uses a sentinel, or lets the room settle.
TALK = ("joining.granted", "messages.everyone", "private.addressee")
#: Needed by whoever sends several frames at once.
GLUE = (*TALK, "framing.together")
#: Needed by whoever asks for a refusal.
REFUSED = (*TALK, "refusals.answered")
#: Needed by whoever provokes a violation.
VIOLATED = (*TALK, "framing.junk")

JUNK = b"nonsense\n"


def claim_code(
    room: Room, answer: Mapping[str, Any] | None, code: int, what: str, *, req: str | None = None
) -> None:
    """Claim that this is a refusal with this code."""
    if answer is None:
        room.fail(f"a join response with code {code} to {what}", "no join response", req=req)
        return
    right = answer.get("isConnected") is not True and answer.get("errorCode") == code
    room.claim(right, f"a join response with code {code} to {what}", dict(answer), req=req)


def refused(room: Room, owner: Client) -> Client:
    """A connection that was refused because it asked for the name of `owner`.

    Raises:
        InconclusiveError: it wasn't.
    """
    raw = room.connect("refused")
    raw.ask_to_join(owner.username)
    answer = raw.must_get(response())
    room.stop_unless(answer["isConnected"] is not True, "the same name was granted twice")
    return raw
