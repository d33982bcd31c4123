"""Text that a peer sent, made harmless: nothing in it can command, hide or reorder what is shown.

A character that isn't printable becomes a *token* that names it, such as `U+202E`. Tokens are set
apart from the text (by brackets or by markup), so that a peer can't fake one.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterator
from itertools import chain

#: Names that are shorter to read than the number.
_NAMES = {"\n": "LF", "\r": "CR", "\t": "TAB"}
#: More marks than this on one character climb over the lines above.
_MARKS_IN_A_ROW = 2
#: `surrogateescape` keeps an octet that isn't UTF-8 as a lone surrogate from here on.
_ESCAPED_OCTET = 0xDC00

#: A run of ASCII that shows, or one character of any kind.
_RUNS = re.compile("[ -~]+|.", re.DOTALL)

#: What to show, and whether it is a token. Text is one character, or a run of ASCII.
Piece = tuple[str, bool]


def decode(data: bytes) -> str:
    """Octets as text; those that aren't UTF-8 become lone surrogates, later tokens like `0xFF`."""
    return data.decode("utf-8", "surrogateescape")


def pieces(text: str, keep: str = "") -> Iterator[Piece]:
    """`text` as it is to be shown; the characters in `keep` are shown as they are."""
    marks = 0
    for match in _RUNS.finditer(text):
        character = match[0]
        if len(character) > 1:
            marks = 0
            yield character, False
            continue
        marks = marks + 1 if unicodedata.category(character) in ("Mn", "Me") else 0
        if character in keep or (character.isprintable() and marks <= _MARKS_IN_A_ROW):
            yield character, False
        else:
            yield _token(character), True


def width(piece: Piece) -> int:
    """Columns that a piece takes in a monospaced font; a token has a space's worth around it."""
    shown, token = piece
    if token:
        return len(shown) + 1
    if shown.isascii():
        return len(shown)
    return 2 if unicodedata.east_asian_width(shown) in "WF" else 1


def fit(text: str, columns: int) -> tuple[list[Piece], int]:
    """As many pieces as fit into `columns`, and how many characters were left out."""
    found: list[Piece] = []
    free, shown = columns, 0
    # A character takes a column at least: what is behind needn't be looked at.
    for piece, token in pieces(text[: columns + 1]):
        wide = width((piece, token))
        if wide > free:
            if not token and len(piece) > 1 and free:
                found.append((piece[:free], False))
                shown += free
            break
        found.append((piece, token))
        free -= wide
        shown += 1 if token else len(piece)
    return found, len(text) - shown


def is_plain(text: str) -> bool:
    """Whether `text` shows nothing but itself, line ends and tabs included."""
    return all(character.isprintable() or character in _NAMES for character in text)


def plain(text: str, keep: str = "") -> str:
    """`text` with its tokens in brackets, for reports without markup; `keep` stays as it is."""
    return "".join(f"[{shown}]" if token else shown for shown, token in pieces(text, keep))


def markup(found: list[Piece], tag: str = "kbd") -> str:
    """Pieces as the content of an element of HTML or SVG, fit for no attribute.

    Each run of tokens is in an element `tag` of class `u`.
    """
    parts: list[str] = []
    run: list[str] = []
    for shown, token in chain(found, [("", False)]):
        if token:
            run.append(shown)
            continue
        if run:
            parts.append(f'<{tag} class="u">{" ".join(run)}</{tag}>')
            run = []
        parts.append(html.escape(shown, quote=False))
    return "".join(parts)


def escape(text: str, columns: int = 4096) -> str:
    """`text` as content of an HTML element, at most `columns` wide; says how much was left out."""
    found, left_out = fit(text, columns)
    more = f' <em class="more">… {left_out:,} characters more</em>' if left_out else ""
    return markup(found) + more


def _token(character: str) -> str:
    if character in _NAMES:
        return _NAMES[character]
    point = ord(character)
    if _ESCAPED_OCTET + 0x80 <= point <= _ESCAPED_OCTET + 0xFF:
        return f"0x{point - _ESCAPED_OCTET:02X}"
    return f"U+{point:04X}"
