from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest

from chatroom_conformance.reports import sequence
from chatroom_conformance.results import Entry, What
from tests.conformance.reports import samples

ENTRIES = tuple(samples.entry(n / 1000, "alice", What.SENT, b"%d\n" % n) for n in range(100))


def _label(data: bytes, octets: int = 0) -> str:
    return sequence.label(Entry(0, "a", What.RECEIVED, data, octets or len(data)))


def _drawn(*entries: Entry) -> ET.Element:
    return ET.fromstring(sequence.diagram("q-1", "Frames", entries))


def test_a_short_transcript_is_drawn_whole() -> None:
    assert sequence.rows(ENTRIES, 0, 60, 40) == ENTRIES


@pytest.mark.parametrize(("left_out", "first", "last"), [(0, 10, 20), (7, 10, 20), (7, 60, 60)])
def test_every_entry_is_drawn_or_counted(left_out: int, first: int, last: int) -> None:
    found = sequence.rows(ENTRIES, left_out, first, last)
    [gap] = [row for row in found if isinstance(row, sequence.Gap)]
    assert len(found) - 1 + gap.entries == len(ENTRIES) + left_out
    assert found[0] == ENTRIES[0]
    assert found[-1] == ENTRIES[-1]


def test_a_frame_that_fits_is_shown_as_it_is() -> None:
    assert _label(b'{ "a" :1}\n') == '{ "a" :1}'


def test_a_long_frame_shows_its_members() -> None:
    shown = _label(samples.frame("x" * 500))
    assert shown.startswith('{message: "xxxxxxxxxxxxxxxxxxx…", dm: null, sender: "bob"')


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 8000,
        b'{"a":' * 1600,
        b"x" * 8000,
        b"[1]" + b" " * 200,
        b'{"a": "%s"' % (b"y" * 99),
        b'{"a": [%s1], "b": {"c": "%s"}}' % (b"1," * 99, b"d" * 99),
        b'{"a": 1%s}' % (b"0" * 5000),
        b"\xff" * 200,
        b"\0" * 200,
    ],
)
def test_no_label_is_longer_than_its_place(data: bytes) -> None:
    shown = re.sub("<[^>]*>", "", _label(data))
    assert len(shown) <= sequence.LABEL_COLUMNS + 1


def test_a_frame_that_was_cut_off_says_so() -> None:
    assert _label(b"{}", 9000) == "{}…"


def test_the_server_is_one_lifeline_and_each_connection_another() -> None:
    drawn = _drawn(*samples.conversation())
    heads = [text.text for text in drawn.findall("text") if text.get("class") in ("h", "hs")]
    assert heads == ["server", "alice", "bob", "carol", "dave"]


def test_arrows_point_at_who_receives() -> None:
    sent = _drawn(samples.entry(0, "alice", What.SENT, b"{}"))
    received = _drawn(samples.entry(0, "alice", What.RECEIVED, b"{}"))
    [there] = [path.get("d") for path in sent.findall("path") if path.get("class") == "s"]
    [back] = [path.get("d") for path in received.findall("path") if path.get("class") == "r"]
    (x1, to1), (x2, to2) = (
        re.findall(r"^M(\d+) \d+H(\d+)", path or "")[0] for path in (there, back)
    )
    assert (x1, to1) == (to2, x2)
    assert int(to1) < int(x1)


def test_it_has_a_title_and_a_description() -> None:
    drawn = _drawn(*samples.conversation())
    labels = (drawn.get("aria-labelledby") or "").split()
    assert [drawn.findtext("title"), drawn.findtext("desc")] == [
        found.text for found in drawn if found.get("id") in labels
    ]
    assert "alice, bob, carol, dave" in (drawn.findtext("desc") or "")
    assert "Sent 2, received 2." in (drawn.findtext("desc") or "")


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0.000123, "0.12 ms"), (0.1234, "123.4 ms"), (2.5, "2.50 s")]
)
def test_moments(seconds: float, shown: str) -> None:
    assert sequence.moment(seconds) == shown


def test_copies_of_a_frame_to_several_connections_are_one_arrow_with_several_heads() -> None:
    same = [samples.entry(n / 1000, name, What.RECEIVED, b"{}") for n, name in enumerate("abc")]
    again = samples.entry(1, "a", What.RECEIVED, b"{}")
    other = samples.entry(1, "b", What.RECEIVED, b"{ }")
    found = sequence.rows([*same, again, other], 0, 60, 40)
    assert found == (sequence.Copies(same[0], ("a", "b", "c")), again, other)
    drawn = ET.fromstring(sequence.diagram("q-1", "Frames", found[:1]))
    [path] = [path.get("d") or "" for path in drawn.findall("path") if path.get("class") == "r"]
    assert (path.count("H"), path.count("L")) == (1, 3)
    assert "received 3" in (drawn.findtext("desc") or "")
