"""The decoder: what it takes, what it reports and where, and what it keeps."""

from __future__ import annotations

import math
from typing import Any

import pytest

from chatroom_protocol import (
    Decoder,
    LocalProtocolError,
    ProtocolViolation,
    ViolationCode,
    encode,
)

C = ViolationCode


def receive(*pieces: bytes, octets: int = 4096, depth: int = 16) -> list[Any]:
    decoder = Decoder(octets, depth)
    return [item for piece in pieces for item in decoder.receive_data(piece)]


def fault(*pieces: bytes, **limits: int) -> tuple[ViolationCode, int]:
    *_, last = receive(*pieces, **limits)
    assert isinstance(last, ProtocolViolation)
    assert last.detail
    return last.code, last.offset


@pytest.mark.parametrize(
    ("octets", "objects"),
    [
        (b"", []),
        (b" \t\r\n", []),
        (b"{}", [{}]),
        (b"{}{}", [{}, {}]),
        (b" \n{}\r\n\t{} ", [{}, {}]),
        (b'{"a"\n:\t1 ,\r"b":[ ] }', [{"a": 1, "b": []}]),
        (b'{"a":"}{"}{"b":"\\"}"}', [{"a": "}{"}, {"b": '"}'}]),
        (b'{"a":"\\\\"}{"b":"\\\\\\""}', [{"a": "\\"}, {"b": '\\"'}]),
        (b'{"a":"\\ud83d\\ude00\\u0000\\/"}', [{"a": "\U0001f600\x00/"}]),
        ('{"é":"\uffff\u2028\x7f"}{}'.encode(), [{"é": "\uffff\u2028\x7f"}, {}]),
        (b'{"a":[[{"b":null}],true,false]}', [{"a": [[{"b": None}], True, False]}]),
        (b'{"a":-0,"b":1E+2,"c":0.5e-3}', [{"a": 0, "b": 100.0, "c": 0.0005}]),
        (b'{"a":{"b":1},"c":{"b":1}}', [{"a": {"b": 1}, "c": {"b": 1}}]),
        (b'{"":"", "\\u0061":1}', [{"": "", "a": 1}]),
        (b'{"a":1e-999}', [{"a": 0.0}]),
        (b'{"a":1}{"b', [{"a": 1}]),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 1000])
def test_good_frames_are_found_however_they_are_cut(
    octets: bytes, objects: list[Any], size: int
) -> None:
    pieces = [octets[i : i + size] for i in range(0, len(octets), size)]
    assert receive(*pieces) == objects


def test_a_whole_frame_behind_the_end_of_a_cut_one_is_found_at_once() -> None:
    assert receive(b'{"a":', b"1}{}") == [{"a": 1}, {}]


class LeftOver(Decoder):
    """Keeps what the quick way left, and goes no careful way."""

    rest: bytes | None = None

    def _take_one(self, found: list[Any]) -> bool:
        self.rest = bytes(self._buffer)
        return False


@pytest.mark.parametrize(
    ("frames", "rest"),
    [
        (b"{}{}", None),
        (b' \n{}\r\n\t{"a":1} ', None),
        ('{"é":"\u2028"} {}'.encode(), None),
        (b'{"a":"\\ud83d\\ude00"}{}', None),
        (b'{"a":"%b"}' % (b"x" * 92), None),
        (b'{"a":"%b"}' % ("é" * 46).encode(), None),
        (b'{"a":"%b"}' % (b"x" * 92) * 3, None),
        (b"{}" * 17, None),
        (b'{"a":%b}' % (b"[" * 15 + b"]" * 15) * 3, None),
        (b"{}{", b"{"),
        (b'{}{"a":"\xc3', b'{"a":"\xc3'),
        ('{"a":"é"}{"'.encode(), b'{"'),
    ],
)
def test_the_quick_way_takes_every_good_frame_of_a_chunk(frames: bytes, rest: bytes | None) -> None:
    decoder = LeftOver(100, 16)
    found = decoder.receive_data(frames)
    assert len(found) == frames.count(b"}")
    assert decoder.rest == rest


@pytest.mark.parametrize(
    ("octets", "code", "offset"),
    [
        (b"\xef\xbb\xbf{}", C.NOT_JSON, 0),
        (b"{}\x00", C.NOT_JSON, 2),
        (b"{} }", C.NOT_JSON, 3),
        (b"{}{} {}x", C.NOT_JSON, 7),
        (b" [1]", C.NOT_AN_OBJECT, 1),
        (b'{}"x"', C.NOT_AN_OBJECT, 2),
        (b"-1", C.NOT_AN_OBJECT, 0),
        (b"true", C.NOT_AN_OBJECT, 0),
        (b"null", C.NOT_AN_OBJECT, 0),
        (b"false", C.NOT_AN_OBJECT, 0),
        (b"9", C.NOT_AN_OBJECT, 0),
        (b'{"a":1}{"b":NaN}', C.NOT_JSON, 7),
        (b'{"a":1}{"b":-Infinity}', C.NOT_JSON, 7),
        (b'{"a":1}{"b":01}', C.NOT_JSON, 13),
        (b'{"\xc3\xa9":01}', C.NOT_JSON, 7),
        (b'{"a":"\n"}', C.NOT_JSON, 6),
        (b'{"a":"x\xff"}', C.NOT_UTF_8, 7),
        (b'{}{"a":"\xed\xa0\x80"}', C.NOT_UTF_8, 8),
        (b'{"a":1,"a":1}', C.DUPLICATE_NAME, 0),
        (b'{} {"a":{"b":1,"\\u0062":2}}', C.DUPLICATE_NAME, 3),
        (b'{"a":1e999}', C.NUMBER_OUT_OF_RANGE, 0),
        (b'{"a":-1e309}', C.NUMBER_OUT_OF_RANGE, 0),
        (b'{"a":"\\ud800"}', C.LONE_SURROGATE, 0),
        (b'{"\\uDFFF":1}', C.LONE_SURROGATE, 0),
        (b'{"a":[{"b":["\\ude00\\ud83d"]}]}', C.LONE_SURROGATE, 0),
    ],
)
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_a_fault_is_reported_with_its_code_and_place(
    octets: bytes, code: ViolationCode, offset: int, size: int
) -> None:
    octets += b"{}"
    pieces = [octets[i : i + size] for i in range(0, len(octets), size)]
    assert fault(*pieces) == (code, offset)
    assert len(receive(*pieces)) == 1 + octets[:offset].count(b"}")


def test_after_a_violation_nothing_is_found_and_nothing_kept() -> None:
    decoder = Decoder(4096, 16)
    assert len(decoder.receive_data(b"{}x{}")) == 2
    assert decoder.receive_data(b"{}") == []
    assert not decoder._buffer


def sized(octets: int) -> bytes:
    return b'{"a":"%b"}' % (b"x" * (octets - 8))


@pytest.mark.parametrize("size", [1, 64, 99, 10000])
def test_a_frame_of_exactly_the_limit_is_taken_and_one_octet_more_is_not(size: int) -> None:
    def cut(octets: bytes) -> list[bytes]:
        return [octets[i : i + size] for i in range(0, len(octets), size)]

    assert len(receive(*cut(sized(100) + b" " * 200 + sized(100)), octets=100)) == 2
    assert fault(*cut(b"{} " + sized(101)), octets=100) == (C.TOO_LARGE, 103)
    assert fault(*cut(b"\n" + sized(100)[:-1] + b" }"), octets=100) == (C.TOO_LARGE, 101)


def test_too_large_is_noticed_with_the_octet_that_fills_the_limit() -> None:
    decoder = Decoder(100, 16)
    assert decoder.receive_data(sized(101)[:99]) == []
    assert len(decoder.receive_data(b"x")) == 1


def test_an_escape_at_the_limit_is_too_large_and_no_more() -> None:
    octets = b'{"a":"' + b"\\\\" * 47
    assert fault(octets, octets=100) == (C.TOO_LARGE, 100)
    assert fault(octets[:99], octets[99:], octets=99) == (C.TOO_LARGE, 99)


def test_octets_are_counted_not_code_points() -> None:
    frame = '{"a":"éééé"}'.encode()
    assert receive(frame, octets=len(frame)) == [{"a": "éééé"}]
    assert fault(frame, octets=len(frame) - 1)[0] is C.TOO_LARGE
    emoji = '{"a":"\U0001f600\U0001f600"}'.encode()
    assert receive(emoji, octets=16) == [{"a": "\U0001f600\U0001f600"}]


def nested(depth: int) -> bytes:
    return b'{"a":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_the_deepest_nesting_is_taken_and_one_level_more_is_not(size: int) -> None:
    good, bad = nested(16), nested(17)
    assert len(receive(*[good[i : i + size] for i in range(0, len(good), size)])) == 1
    pieces = [bad[i : i + size] for i in range(0, len(bad), size)]
    assert fault(*pieces) == (C.TOO_DEEP, 5 + 15)


def test_brackets_in_strings_and_side_by_side_are_no_nesting() -> None:
    assert len(receive(b'{"a":"%b"}' % (b"[{" * 50))) == 1
    assert len(receive(b'{"a":[%b[]]}' % (b"[]," * 50))) == 1
    assert len(receive(b"{}" * 50)) == 50


def test_nesting_far_beyond_any_recursion_is_a_violation() -> None:
    assert fault(b'{"a":' + b"[" * 200_000 + b"]" * 200_000 + b"}", octets=500_000)[0] is C.TOO_DEEP


@pytest.mark.parametrize(
    ("digits", "taken"),
    [
        ("9" * 298, True),
        ("1" + "0" * 308, True),
        ("-1" + "0" * 308, True),
        ("-" + "1" * 309, True),
        (str(int(math.nextafter(math.inf, 0))), True),
        ("9" * 309, False),
        ("-" + "9" * 309, False),
        ("1" + "0" * 309, False),
        ("1" * 310, False),
        ("1" * 5000, False),
        ("0." + "1" * 3000, True),
        ("1" + "0" * 400 + "e-400", True),
        ("0e999999999999", True),
    ],
)
def test_a_number_may_have_any_digits_within_the_range_of_a_double(
    digits: str, taken: bool
) -> None:
    [item] = receive(b'{"a":%b}' % digits.encode(), octets=65536)
    if taken:
        assert item == {"a": float(digits) if "." in digits or "e" in digits else int(digits)}
    else:
        assert item.code is C.NUMBER_OUT_OF_RANGE


def test_an_integer_stays_one_to_the_last_digit() -> None:
    assert receive(b'{"a":%d}' % 10**305) == [{"a": 10**305}]


@pytest.mark.parametrize(
    ("octets", "words"),
    [
        (b"x", "it is not JSON; a frame begins with '{'"),
        (b"5", "it is no JSON object; a frame begins with '{'"),
        (b'{"a" 1}', "it is not JSON: Expecting ':' delimiter"),
        (b'{"a":NaN}', "NaN is no JSON value"),
        (b'{"a":"\xff"}', "the octets are not UTF-8 (invalid start byte)"),
        (b'{"a":1,"a":1}', "an object has two members of one name"),
        (b'{"a":1e999}', "a number is beyond the range of a double"),
        (b'{"a":"\\ud800"}', "a string has half of a surrogate pair"),
        (b"[", "it is no JSON object; a frame begins with '{'"),
        (b"{" + b" " * 4096, "the frame is larger than 4,096 octets"),
        (b'{"a":' + b"[" * 16, "the nesting is deeper than 16 levels"),
    ],
)
def test_a_violation_says_in_words_what_is_wrong(octets: bytes, words: str) -> None:
    [item] = receive(octets)
    assert item.detail == words


def test_encoding_is_compact_ascii_with_one_line_feed() -> None:
    assert encode({"a": [1, None, True], "é": "\U0001f600\n"}, 100) == (
        b'{"a":[1,null,true],"\\u00e9":"\\ud83d\\ude00\\n"}\n'
    )


def test_encoding_falls_back_to_utf_8_only_where_escapes_do_not_fit() -> None:
    members = {"a": "éé"}
    assert encode(members, 20) == b'{"a":"\\u00e9\\u00e9"}\n'
    assert encode(members, 19) == '{"a":"éé"}\n'.encode()
    assert encode(members, 12) == '{"a":"éé"}\n'.encode()
    with pytest.raises(LocalProtocolError, match="takes 12 octets, and at most 11 can be sent"):
        encode(members, 11)


def test_encoding_refuses_what_is_no_json() -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        encode({"a": math.nan}, 100)
