from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatroom_conformance.reports import text
from tests.conformance.reports.samples import HOSTILE

SHOWN = {
    "\0": "U+0000",
    "\n": "LF",
    "\r": "CR",
    "\t": "TAB",
    "\x1b": "U+001B",
    "\u202e": "U+202E",
    "\u2066": "U+2066",
    "\u061c": "U+061C",
    "\u2028": "U+2028",
    "\u00a0": "U+00A0",
    "\ufeff": "U+FEFF",
    "\ud800": "U+D800",
    "\U000e0001": "U+E0001",
}


@pytest.mark.parametrize("character", SHOWN)
def test_what_does_not_show_is_named(character: str) -> None:
    assert list(text.pieces(f"a{character}b")) == [
        ("a", False),
        (SHOWN[character], True),
        ("b", False),
    ]


@pytest.mark.parametrize("letter", ["a", "é", "ß", "界", "א", "😀", "<", "&", " "])
def test_what_shows_stays(letter: str) -> None:
    assert list(text.pieces(letter)) == [(letter, False)]


def test_octets_that_are_no_utf_8_are_named() -> None:
    assert text.plain(text.decode(b"a\xff\xc3")) == "a[0xFF][0xC3]"


def test_marks_do_not_climb() -> None:
    shown = list(text.pieces("e" + "\u0301" * 50))
    assert [token for _, token in shown] == [False, False, False] + [True] * 48


def test_a_peer_cannot_fake_a_token() -> None:
    assert text.escape("U+0000") != text.escape("\0")


def test_a_run_of_tokens_is_one_element() -> None:
    assert text.escape("\0\0") == '<kbd class="u">U+0000 U+0000</kbd>'


def test_markup_is_escaped() -> None:
    assert text.escape("<a b='c' d=\"e\">&") == "&lt;a b='c' d=\"e\"&gt;&amp;"


def test_what_is_cut_off_is_counted() -> None:
    assert text.escape("x" * 1500, 100).endswith("… 1,400 characters more</em>")
    assert "more" not in text.escape("x" * 100, 100)


@given(st.text(), st.integers(0, 60))
def test_a_cut_text_is_never_wider(value: str, columns: int) -> None:
    found, left_out = text.fit(value, columns)
    assert sum(map(text.width, found)) <= columns
    shown = sum(1 if token else len(piece) for piece, token in found)
    assert shown + left_out == len(value)
    assert left_out == 0 or sum(map(text.width, found)) > columns - len("U+10FFFF ")


@given(st.text(st.characters()) | st.just(HOSTILE))
def test_nothing_is_left_that_does_not_show(value: str) -> None:
    assert text.plain(value).isprintable()
    assert text.escape(value).isprintable()
    assert all(unicodedata.category(c) not in ("Cc", "Cf", "Cs") for c in text.escape(value))
