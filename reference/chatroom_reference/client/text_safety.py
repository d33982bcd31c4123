"""Other people's text, made harmless to look at: no control reaches a terminal or a widget."""

from __future__ import annotations

import re
import unicodedata

from attrs import frozen

# What a text may not do to the line it is shown in: Cc without tab and line feed, Bidi_Control,
# and the separators that some terminals and widgets take for a line end.
_DISTURBING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\u2028\u2029]"
)
# In a name nothing may be invisible either: two names that look alike would be one to the reader.
_INVISIBLE = re.compile(
    "[\t\n\xad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200d\u2060-\u206f\u2800\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U000e0000-\U000e0fff]"
)
_EMOJI = re.compile(
    "\u200d?([\u231a\u231b\u23e9-\u23f3\u23f8-\u23fa\u25fd\u25fe\u2600-\u27bf\u2b1b\u2b1c\u2b50"
    "\u2b55\U0001f000-\U0001faff])\ufe0f?"
)
_NAME_LENGTH = 64


def _visible(match: re.Match[str]) -> str:
    return f"‹U+{ord(match[0]):04X}›"


def harmless(text: str, *, emoji: bool = True) -> str:
    """Give ``text`` with each control character spelt out, such as ``‹U+001B›``.

    Line feeds stay (a CR LF becomes one); tabs become four spaces, since columns are the view's.

    Args:
        text: what somebody else wrote.
        emoji: False spells emoji out as well, such as ``:grinning-face:``.
    """
    text = text.replace("\r\n", "\n").replace("\t", "    ")
    text = _DISTURBING.sub(_visible, text)
    return text if emoji else _without_emoji(text)


def harmless_name(name: str, *, emoji: bool = True) -> str:
    """Give ``name`` on one line, with nothing invisible in it and of bounded length.

    Servers of the protocol's first years let any string be a name.
    """
    shown = _INVISIBLE.sub(_visible, _DISTURBING.sub(_visible, name[: _NAME_LENGTH + 1]))
    if len(name) > _NAME_LENGTH:
        shown = shown[:_NAME_LENGTH] + "…"
    if not shown.strip():
        return f"({len(name)} spaces)"
    return shown if emoji else _without_emoji(shown)


def _without_emoji(text: str) -> str:
    return _EMOJI.sub(_spelt, text)


def _spelt(match: re.Match[str]) -> str:
    name = unicodedata.name(match[1], f"U+{ord(match[1]):04X}")
    return f":{name.lower().replace(' ', '-')}:"


@frozen
class Shortened:
    """The part of a text that is shown at first, and the rest; ``rest`` is empty if it is all."""

    head: str
    rest: str


def shorten(text: str, max_characters: int = 2000, max_lines: int = 20) -> Shortened:
    """Cut a text that would fill the window, at a space near the bound where there is one."""
    cut = _end_of_line(text, max_lines)
    if cut > max_characters:
        space = text.rfind(" ", max_characters - 80, max_characters)
        cut = space if space > 0 else max_characters
    # A rest too short to be worth a button is shown at once.
    if len(text) - cut <= max_characters // 10 and text.count("\n", cut) <= 2:
        cut = len(text)
    return Shortened(text[:cut], text[cut:])


def _end_of_line(text: str, line: int) -> int:
    end = -1
    for _ in range(line):
        end = text.find("\n", end + 1)
        if end < 0:
            return len(text)
    return end
