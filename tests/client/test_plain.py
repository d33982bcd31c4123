"""What the client decides without a window."""

from __future__ import annotations

import itertools
import time
from datetime import datetime

import pytest

from chatroom_protocol import ServerMessage
from chatroom_reference.client.address import Address
from chatroom_reference.client.backoff import BackOff
from chatroom_reference.client.colours import (
    MIN_CONTRAST,
    PALETTES,
    Palette,
    contrast,
    sender_colour,
)
from chatroom_reference.client.commands import Choose, CommandError, Quit, Say, parse, quoted
from chatroom_reference.client.completion import Completion
from chatroom_reference.client.console import line_of
from chatroom_reference.client.history import History
from chatroom_reference.client.lines import Kind, Presenter, clock_of
from chatroom_reference.client.people import People
from chatroom_reference.client.text_safety import harmless, harmless_name, shorten
from chatroom_reference.client.unread import Bell, Unread

NOON = datetime(2026, 1, 2, 12, 0)


def said(sender: str, text: str, dm: str | None = None, date: str = "") -> ServerMessage:
    return ServerMessage(text, dm, sender, len(text), date)


# Text.


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain Ünïcode 日本 😀 שלום", "plain Ünïcode 日本 😀 שלום"),
        ("a\nb\r\nc", "a\nb\nc"),
        ("a\tb", "a    b"),
        ("\x1b[2J", "‹U+001B›[2J"),
        ("\x9b2J\x85", "‹U+009B›2J‹U+0085›"),
        ("\u202egpj.exe", "‹U+202E›gpj.exe"),
        ("\u2066\u2069\u200e\u061c", "‹U+2066›‹U+2069›‹U+200E›‹U+061C›"),
        ("\u2028\u2029", "‹U+2028›‹U+2029›"),
        ("👩\u200d👩\ufe0f", "👩\u200d👩\ufe0f"),
    ],
)
def test_text_is_made_harmless(text: str, shown: str) -> None:
    assert harmless(text) == shown


def test_every_control_and_bidi_control_is_spelt_out() -> None:
    bidi = [0x61C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
    control = [*range(0x20), *range(0x7F, 0xA0)]
    for code in [*bidi, *control]:
        if chr(code) not in "\t\n":
            assert harmless(f"a{chr(code)}b") == f"a‹U+{code:04X}›b"
        assert harmless_name(f"a{chr(code)}b") == f"a‹U+{code:04X}›b"


def test_emoji_are_spelt_out_on_demand() -> None:
    assert harmless("hi 😀!", emoji=False) == "hi :grinning-face:!"
    assert harmless("👩\u200d💻❤\ufe0f", emoji=False) == (
        ":woman::personal-computer::heavy-black-heart:"
    )
    assert harmless_name("😀", emoji=False) == ":grinning-face:"
    assert harmless("é日ש →", emoji=False) == "é日ש →"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Ann Lee", "Ann Lee"),
        ("", "(0 spaces)"),
        ("  ", "(2 spaces)"),
        ("a\u200bb", "a‹U+200B›b"),
        ("a\nb", "a‹U+000A›b"),
        ("n" * 64, "n" * 64),
        ("n" * 65, "n" * 64 + "…"),
    ],
)
def test_names_are_made_harmless(name: str, shown: str) -> None:
    assert harmless_name(name) == shown


def test_shortening() -> None:
    assert shorten("short").rest == ""
    words = "word " * 1000
    short = shorten(words)
    assert short.head + short.rest == words
    assert 1900 < len(short.head) <= 2000
    assert short.rest.startswith(" ")
    unbroken = shorten("x" * 3000)
    assert (len(unbroken.head), len(unbroken.rest)) == (2000, 1000)
    tall = shorten("\n" * 300)
    assert tall.head.count("\n") == 19
    # Not worth a button.
    assert shorten("x" * 2100).rest == ""


# Colours.


@pytest.mark.parametrize("palette", PALETTES.values(), ids=PALETTES)
def test_all_text_has_contrast(palette: Palette) -> None:
    grounds = (palette.field, palette.private)
    for name in map(str, range(500)):
        for ground in grounds:
            assert contrast(sender_colour(name, palette), ground) >= MIN_CONTRAST
    on = [
        *itertools.product((palette.text, palette.muted), (*grounds, palette.window)),
        *itertools.product((palette.good, palette.busy, palette.bad), (palette.window,)),
        (palette.busy, palette.field),
        (palette.text, palette.button),
        (palette.text, palette.button_active),
        (palette.muted, palette.button),
        (palette.accent, palette.field),
        (palette.accent, palette.private),
        (palette.accent_text, palette.accent),
        (palette.accent_text, palette.accent_active),
        (palette.selection_text, palette.selection),
    ]
    for text, ground in on:
        assert contrast(text, ground) >= MIN_CONTRAST, (text, ground)


def test_contrast_is_that_of_wcag() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


def test_sender_colours_are_stable_and_differ() -> None:
    light = PALETTES["light"]
    assert sender_colour("Ada", light) == sender_colour("Ada", light) == "#2020c5"
    assert len({sender_colour(str(number), light) for number in range(200)}) > 12


# Writing.


def test_history_keeps_the_draft() -> None:
    history = History()
    assert history.older("draft") is None
    for text in ("one", "two", "two", " "):
        history.remember(text)
    assert history.newer() is None
    assert history.older("draft") == "two"
    assert history.older("two") == "one"
    assert history.older("one") is None
    assert history.newer() == "two"
    assert history.newer() == "draft"
    assert history.newer() is None
    history.older("other draft")
    history.remember("three")
    assert history.older("") == "three"


def test_history_has_a_bound() -> None:
    history = History(size=2)
    for text in "abc":
        history.remember(text)
    assert [history.older("") for _ in range(3)] == ["c", "b", None]


def completed(text: str, names: list[str], cursor: int | None = None) -> str | None:
    done = Completion().complete(text, len(text) if cursor is None else cursor, names)
    return None if done is None else f"{done.text[: done.cursor]}|{done.text[done.cursor :]}"


def test_completion() -> None:
    names = ["Ann Lee", "anton", "Ben", "Дмитрий"]
    assert completed("be", names) == "Ben: |"
    assert completed("ask be", names) == "ask Ben |"
    assert completed("@be", names) == "@Ben: |"
    assert completed("ask be about it", names, cursor=6) == "ask Ben | about it"
    assert completed("/msg an", names) == '/msg "Ann Lee" |'
    assert completed("дм", names) == "Дмитрий: |"
    assert completed("x", names) is None
    assert completed("@", names) is None
    assert completed("ask ", names) is None


def test_completion_asked_again_offers_the_next() -> None:
    names = ["Ann Lee", "anton"]
    completion = Completion()
    first = completion.complete("an", 2, names)
    assert first
    assert first.text == "Ann Lee: "
    second = completion.complete(first.text, first.cursor, names)
    assert second
    assert second.text == "anton: "
    third = completion.complete(second.text, second.cursor, names)
    assert third == first
    other = completion.complete("ant", 3, names)
    assert other
    assert other.text == "anton: "


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("hello", Say("hello")),
        (" /msg", Say(" /msg")),
        ("//slash", Say("/slash")),
        ("/quit", Quit()),
        ("/msg", Choose(None)),
        ("/msg ben", Choose("ben")),
        ("/msg ben hi there", Say("hi there", "ben")),
        ("/msg Ann Lee hi", Say("hi", "Ann Lee")),
        ("/msg Ann hi", Say("hi", "Ann")),
        ("/msg Ann", Choose("Ann")),
        ("/msg Ann Lee", Choose("Ann Lee")),
        ('/msg "Bo Li" hi', Say("hi", "Bo Li")),
        ('/msg "odd', Choose('"odd')),
        ('/msg "a"b c', Say("c", '"a"b')),
    ],
)
def test_commands(line: str, command: object) -> None:
    assert parse(line, ["Ann", "Ann Lee", "ben"]) == command


def test_unknown_commands_are_explained() -> None:
    with pytest.raises(CommandError, match="no command /foo: "):
        parse("/foo bar")


@pytest.mark.parametrize("name", ["ben", "Ann Lee", 'a"b'])
def test_quoted_names_are_read_back(name: str) -> None:
    assert parse(f"/msg {quoted(name)} hi") == Say("hi", name)


# Reading.


@pytest.fixture
def far_east(monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.setenv("TZ", "JST-9")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("date", "clock"),
    [
        ("2018-05-02 15:06:02.123456", "15:06"),
        ("2018-05-02 15:06:02Z", "00:06"),
        ("2018-05-02T15:06:02.1+02:00", "22:06"),
        ("2018-05-02 15:06:02.123456789-05:30", "05:36"),
        ("", None),
        ("yesterday", None),
        ("2018-13-02 15:06:02", None),
        ("2018-05-02 25:06:02", None),
        ("2018-05-02 15:06:02+99:00", None),
        ("0001-01-01 00:00:00+23:00", None),
        ("9999-12-31 23:59:59-23:00", None),
        ("٢٠١٨-05-02 15:06:02", None),
    ],
)
def test_dates_become_local_time(far_east: object, date: str, clock: str | None) -> None:
    assert clock_of(date) == clock


def test_presentation() -> None:
    presenter = Presenter()

    def line(message: ServerMessage) -> str:
        return line_of(presenter.received(message, "ada", NOON), coloured=False)

    assert line(said("ben", "hi")) == "12:00 ben: hi"
    assert line(said("ben", "hi", date="2018-05-02 15:06:02")) == "15:06 ben: hi"
    assert line(said("ben", "hi", "ada")) == "12:00 [private] ben to ada: hi"
    assert line(said("", "take care\n", "ada")) == "12:00 server: take care"
    assert line(said("ben", "User has connected")) == "12:00 * ben joined"
    assert line(said("ben", "ben is offline\n")) == "12:00 * ben left"
    assert line(said("ben", "User has connected", "ada")).endswith(": User has connected")
    # No text can pass for a line of somebody else.
    assert line(said("ben", "a\n12:00 eve: b")) == "12:00 ben: a\n      12:00 eve: b"
    assert (
        line(said("ben\x1b", "\x1b]0;title\x07")) == "12:00 ben‹U+001B›: ‹U+001B›]0;title‹U+0007›"
    )
    mine = presenter.said("psst", "ben", "ada", NOON)
    assert line_of(mine, coloured=False) == "12:00 [private] ada to ben: psst"
    assert mine.own
    assert not mine.is_news


def test_colours_of_a_terminal_end_where_they_began() -> None:
    presenter = Presenter()
    for kind, message in (
        (Kind.TALK, said("ben", "hi")),
        (Kind.PRIVATE, said("ben", "hi", "ada")),
        (Kind.NOTICE, said("", "hi", "ada")),
        (Kind.PRESENCE, said("ben", "User has connected")),
    ):
        line = presenter.received(message, "ada", NOON)
        assert line.kind is kind
        written = line_of(line, coloured=True)
        assert "\x1b[" in written
        assert written.count("\x1b[0m") >= 1
        assert written.rfind("\x1b[0m") == written.rfind("\x1b")


def test_people_that_were_seen() -> None:
    people = People()
    people.joined("ada")
    people.heard(said("ben", "hi"))
    people.heard(said("chloe", "User has connected"))
    people.heard(said("", "a notice", "ada"))
    people.heard(said("ada", "an echo"))
    assert people.names == ["ada", "ben", "chloe"]
    assert people.others == ["ben", "chloe"]
    assert people.heading() == "Seen (3)"
    people.heard(said("ben", "ben is offline\n"))
    people.heard(said("chloe", "ben is offline\n"))
    assert people.names == ["ada", "chloe"]
    people.joined("ada")
    assert people.names == ["ada"]


def test_people_of_a_roster() -> None:
    people = People()
    people.joined("ada")
    people.roster(["Zoe", "ada", "ben"])
    assert people.names == ["ada", "ben", "Zoe"]
    assert people.heading() == "People (3)"


def test_people_are_bounded() -> None:
    people = People()
    people.joined("ada")
    people.roster(map(str, range(20_000)))
    assert len(people.names) == 10_000
    people.joined("ada")
    for number in range(20_000):
        people.heard(said(str(number), "hi"))
    assert len(people.names) == 10_000


def test_unread() -> None:
    unread = Unread()
    assert unread.title("ada") == "ada"
    unread.arrived(2, looked_at=False)
    unread.arrived(1, looked_at=False)
    assert unread.title("ada") == "(3) ada"
    unread.arrived(1, looked_at=True)
    assert unread.title("ada") == "ada"


def test_the_bell_rings_once_a_second() -> None:
    bell = Bell()
    assert [bell.may_ring(now) for now in (5.0, 5.5, 5.9, 6.0, 6.5)] == [
        True,
        False,
        False,
        True,
        False,
    ]


def test_back_off() -> None:
    back_off = BackOff(lambda: 0.0)
    assert [back_off.next_wait() for _ in range(7)] == [1, 2, 4, 8, 16, 30, 30]
    back_off.reset()
    assert back_off.next_wait() == 1
    assert BackOff(lambda: 1.0).next_wait() == 1.25


def test_addresses_are_written_as_people_do() -> None:
    assert str(Address("example.org", 1134)) == "example.org:1134"
    assert str(Address("::1", 1134)) == "[::1]:1134"


def test_the_list_of_people_is_drawn_again_only_for_news() -> None:
    people = People()
    people.joined("ada")
    people.heard(said("ben", "hi"))
    before = people.version
    people.heard(said("ben", "hi again"))
    people.heard(said("chloe", "chloe is offline\n"))
    assert people.version == before
    people.roster(["ada", "ben"])
    assert people.version != before
    before = people.version
    people.roster(["ben", "ada"])
    assert people.version == before
