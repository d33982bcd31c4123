"""The strict reader: frames, junk, faults, and the same however the octets are cut."""

import pytest

from chatroom_conformance.reader import Frame, Junk, Parser, Reader

FIRST = b' \r\n{"a": "}{\\"\\\\"}\n{"b": [{}, [1, 2.5]]} '
STREAM = FIRST + b'\xef\xbb\xbfjunk {"c": "gr\xc3\xbc\xc3\x9f"}{}\n'


def shape(items: list[Frame | Junk]) -> list[tuple[str, bytes]]:
    return [(type(item).__name__, item.raw) for item in items]


def test_frames_and_junk_are_told_apart() -> None:
    assert shape(Reader().feed(STREAM)) == [
        ("Frame", b'{"a": "}{\\"\\\\"}'),
        ("Frame", b'{"b": [{}, [1, 2.5]]}'),
        ("Junk", b"\xef\xbb\xbfjunk"),
        ("Frame", b'{"c": "gr\xc3\xbc\xc3\x9f"}'),
        ("Frame", b"{}"),
    ]


def test_the_gap_is_the_whitespace_before_a_frame() -> None:
    frames = [item for item in Reader().feed(STREAM) if isinstance(item, Frame)]
    assert [frame.gap for frame in frames] == [b" \r\n", b"\n", b"  ", b""]


def test_cuts_change_nothing_but_where_junk_is_cut() -> None:
    reader = Reader()
    frames = [item for octet in STREAM for item in reader.feed(bytes([octet]))]
    whole = [item for item in Reader().feed(STREAM) if isinstance(item, Frame)]
    assert [f.raw for f in frames if isinstance(f, Frame)] == [f.raw for f in whole]
    assert b"".join(f.raw for f in frames if isinstance(f, Junk)) == b"\xef\xbb\xbfjunk"


def test_the_rest_of_a_stream() -> None:
    reader = Reader()
    reader.feed(b'{}\n\n {"a": ')
    assert reader.rest() == b'{"a": '


@pytest.mark.parametrize(
    ("raw", "fault"),
    [
        (b'{"a": "\xff"}', "not UTF-8"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": -Infinity}', "Infinity"),
        (b'{"a": 1e999}', "double"),
        (b'{"a": ' + b"9" * 5000 + b"}", "double"),
        (b'{"a": 1, "a": 1}', "same name"),
        (b'{"x": {"a": 1, "a": 1}}', "same name"),
        (b'{"a": "\\ud800"}', "surrogate"),
        (b'{"a": ["\\udc00\\ud800"]}', "surrogate"),
        (b'{"\\ud800": 1}', "surrogate"),
        (b'{"a": nonsense}', "not JSON"),
        (b'{"a": "\n"}', "not JSON"),
    ],
)
def test_faults(raw: bytes, fault: str) -> None:
    _, faults = Parser().parse(raw)
    assert any(fault in found for found in faults)


@pytest.mark.parametrize(
    "raw", [b'{"a": "\\ud83d\\ude00"}', b'{"a": 1e308}', b'{"a": [1, {"a": 1}]}', b"{}"]
)
def test_no_faults(raw: bytes) -> None:
    assert Parser().parse(raw)[1] == ()


def test_deep_nesting_is_a_fault_and_no_crash() -> None:
    raw = b'{"a":' * 100_000 + b"1" + b"}" * 100_000
    (frame,) = Reader().feed(raw)
    assert isinstance(frame, Frame)
    assert frame.value is None
    assert "deep" in frame.faults[0]


def test_integers_and_fractions_stay_apart() -> None:
    value, _ = Parser().parse(b'{"length": 5, "errorCode": 5.0}')
    assert value == {"length": 5, "errorCode": 5.0}
    assert type(value["length"]) is int
    assert type(value["errorCode"]) is float
