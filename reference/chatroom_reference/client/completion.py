"""Names completed with Tab."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from chatroom_reference.client.commands import quoted


@frozen
class Completed:
    """A text with a name filled in, and where the cursor belongs, in code points."""

    text: str
    cursor: int


class Completion:
    """Completes the word before the cursor; asked again at once, it offers the next name."""

    def __init__(self) -> None:
        self._offered: Completed | None = None
        self._start = 0
        self._prefix = ""
        self._tail = ""
        self._turn = 0

    def complete(self, text: str, cursor: int, names: Sequence[str]) -> Completed | None:
        """Give the text with the next fitting name, or None if no name begins like that."""
        if self._offered == Completed(text, cursor):
            self._turn += 1
        else:
            self._start = len(text[:cursor]) - len(text[:cursor].split(" ")[-1])
            self._prefix, self._tail = text[self._start : cursor], text[cursor:]
            self._turn = 0
        wanted = self._prefix.removeprefix("@").casefold()
        fitting = [name for name in names if name.casefold().startswith(wanted)]
        if not fitting or not wanted:
            self._offered = None
            return None
        name = fitting[self._turn % len(fitting)]
        before = text[: self._start]
        done = before + _as_written(name, before, at="@" if self._prefix[0] == "@" else "")
        self._offered = Completed(done + self._tail, len(done))
        return self._offered


def _as_written(name: str, before: str, at: str) -> str:
    if before.strip() == "/msg":
        return f"{quoted(name)} "
    return f"{at}{name} " if before else f"{at}{name}: "
