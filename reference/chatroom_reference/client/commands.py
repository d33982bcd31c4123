"""What a written line means: something to say, or a command."""

from __future__ import annotations

from collections.abc import Collection

from attrs import frozen


class CommandError(Exception):
    """A line that cannot be carried out; the text is one sentence for the user."""


@frozen
class Say:
    """Say ``text``: to whom is chosen, or to ``only_to``."""

    text: str
    only_to: str | None = None


@frozen
class Choose:
    """From now on talk to ``recipient``; None is everyone."""

    recipient: str | None


@frozen
class Quit:
    """Leave."""


Command = Say | Choose | Quit


def parse(line: str, names: Collection[str] = ()) -> Command:
    """Read a line.

    ``/msg NAME TEXT`` says TEXT to NAME alone, ``/msg NAME`` chooses NAME, ``/msg`` everyone,
    ``/quit`` leaves, ``//`` begins a text with a slash. A name with spaces is one of ``names``,
    or stands in double quotes.

    Raises:
        CommandError: there is no such command.
    """
    if line.startswith("//"):
        return Say(line[1:])
    if not line.startswith("/"):
        return Say(line)
    word, _, rest = line.partition(" ")
    if word == "/quit":
        return Quit()
    if word == "/msg":
        return _parse_msg(rest.strip(" "), names)
    msg = (
        f"There is no command {word[:40]}: there are /msg NAME TEXT and /quit, "
        "and // begins a text with a slash."
    )
    raise CommandError(msg)


def _parse_msg(rest: str, names: Collection[str]) -> Command:
    if not rest:
        return Choose(None)
    name, text = _split_name(rest, names)
    return Say(text, only_to=name) if text else Choose(name)


def _split_name(rest: str, names: Collection[str]) -> tuple[str, str]:
    if rest.startswith('"'):
        name, closing, text = rest[1:].partition('"')
        if closing and name and (not text or text.startswith(" ")):
            return name, text.strip(" ")
    # The longest name wins, so that "Ann Lee" can be meant where "Ann" is there too.
    for name in sorted(names, key=len, reverse=True):
        if name and (rest == name or rest.startswith(name + " ")):
            return name, rest[len(name) :].strip(" ")
    name, _, text = rest.partition(" ")
    return name, text.strip(" ")


def quoted(name: str) -> str:
    """Write a name as ``/msg`` reads it."""
    return f'"{name}"' if " " in name and '"' not in name else name
