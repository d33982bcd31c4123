"""Hypothesis strategies: what a peer of the ChatRoom protocol may send, and what it may not.

They are made for other people's implementations as much as for this one, and need the extra
``[hypothesis]``. Three lines of work lead to a test:

- :func:`streams` gives octets that are cut into pieces, together with the objects in them and
  whether a fault follows: all that a test of a parser needs;
- :func:`client_frames`, :func:`server_frames` and :func:`conversations` give frames that are
  right, for tests of what is done with them;
- :func:`hostile_bytes` gives anything; the only thing to demand is that nothing breaks.

The specification leaves three faults to the receiver ([JSON-11] to [JSON-13]); they are planted
only where ``liberties`` is true, for parsers that are as strict as this package's.
"""

from __future__ import annotations

import json
import unicodedata
from enum import Enum
from typing import Any

from attrs import field, frozen
from hypothesis import strategies as st

from chatroom_protocol.errors import ErrorCode, ViolationCode
from chatroom_protocol.frames import (
    EXTENSIONS,
    ClientFrame,
    ClientMessage,
    Disconnect,
    Join,
    JoinResponse,
    Ping,
    Pong,
    Roster,
    ServerFrame,
    ServerMessage,
    username_fault,
)
from chatroom_protocol.framing import JSONObject
from chatroom_protocol.limits import MAX_PING_CODE_POINTS, MIN_CLIENT_FRAME_OCTETS, MIN_DEPTH

_WHITE = st.text(" \t\n\r", max_size=3)
# What parsers trip over, more often than chance would bring it.
_ODD_TEXTS = (
    "",
    "\x00",
    "\n",
    '"',
    "\\",
    '\\"',
    "}{",
    "}\n{",
    '{"disconnect": true}',
    "\u2028",
    "\ufeff",
    "\uffff",
    "e\u0301",
    "\U0001f600",
    "\U0010ffff",
    "User has connected",
    "null",
)
_NAME_PARTS = "abcXYZ019 _-.'\"\\{}äéß中\u0301\u200d\U0001f600"
_BAD_NAMES = (
    "",
    " ",
    "a\n",
    "\u3000a",
    "a\x00b",
    "\x7f",
    "\u202ea",
    "a\u2066",
    "e\u0301",
    "\u212b",
    "x" * 65,
    "\U0001f600" * 64,
)


def texts(max_size: int = 40) -> st.SearchStrategy[str]:
    """Give texts of messages: any Unicode scalar values, at most ``max_size`` of them."""
    anything = st.text(st.characters(exclude_categories=["Cs"]), max_size=max_size)
    odd = [text for text in _ODD_TEXTS if len(text) <= max_size]
    return st.sampled_from(odd) | anything


def _is_username(name: str) -> bool:
    return username_fault(name) is None


def usernames() -> st.SearchStrategy[str]:
    """Give acceptable usernames. Specification: [NAME]."""
    plain = st.sampled_from(("alice", "bob", "carol", "x" * 64, "null", "Alice"))
    composed = st.text(_NAME_PARTS, min_size=1, max_size=64).map(str.strip)
    normal = composed.map(lambda name: unicodedata.normalize("NFC", name))
    return plain | normal.filter(_is_username)


def bad_usernames() -> st.SearchStrategy[str]:
    """Give strings that are no acceptable usernames; a join with one has code 3."""
    return st.sampled_from(_BAD_NAMES) | st.text(" \t\x01\u200fa", max_size=4).filter(
        lambda name: not _is_username(name)
    )


def tokens() -> st.SearchStrategy[str]:
    """Give tokens of pings. Specification: [PING]."""
    return texts(MAX_PING_CODE_POINTS)


def json_values(max_leaves: int = 6) -> st.SearchStrategy[Any]:
    """Give JSON values of the profile of Section 4, for members that nobody knows."""
    leaves = (
        st.none()
        | st.booleans()
        | st.integers(-(10**20), 10**20)
        | st.floats(allow_nan=False, allow_infinity=False)
        | texts(8)
    )
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts(4), inner, max_size=3),
        max_leaves=max_leaves,
    )


def joins() -> st.SearchStrategy[Join]:
    """Give joins under acceptable usernames."""
    asked = st.lists(st.sampled_from((*EXTENSIONS, "x-other")), unique=True, max_size=3)
    return st.builds(Join, usernames(), asked.map(tuple))


def client_messages() -> st.SearchStrategy[ClientMessage]:
    """Give messages of clients, to everyone or to one user."""
    return st.builds(ClientMessage, texts(), st.none() | usernames(), usernames())


def client_frames() -> st.SearchStrategy[ClientFrame]:
    """Give any frame that a client may send, with no thought for its state."""
    return (
        joins()
        | client_messages()
        | st.builds(Disconnect, st.none() | usernames())
        | st.builds(Ping, tokens())
        | st.builds(Pong, tokens())
    )


def server_messages() -> st.SearchStrategy[ServerMessage]:
    """Give messages of servers: relayed ones, announcements and notices."""
    dates = st.datetimes().map(lambda when: when.isoformat(sep=" ") + "Z")

    def build(text: str, dm: str | None, sender: str, date: str) -> ServerMessage:
        return ServerMessage(text, dm, sender, len(text), date)

    return st.builds(build, texts(), st.none() | usernames(), st.just("") | usernames(), dates)


def server_frames() -> st.SearchStrategy[ServerFrame]:
    """Give any frame that a server may send, with no thought for its state."""
    granted = st.lists(st.sampled_from(EXTENSIONS), unique=True).map(tuple)
    refused = [code for code in ErrorCode if code is not ErrorCode.ACCEPTED]
    return (
        st.builds(JoinResponse, st.just(True), st.just(int(ErrorCode.ACCEPTED)), granted)
        | st.builds(JoinResponse, st.just(False), st.sampled_from(refused).map(int))
        | server_messages()
        | st.just(Disconnect())
        | st.lists(usernames(), unique=True, max_size=5).map(tuple).map(Roster)
        | st.builds(Ping, tokens())
        | st.builds(Pong, tokens())
    )


class _Escapes(Enum):
    FEW = "few"
    ASCII = "ascii"
    ALL = "all"


def _dump_string(text: str, escapes: _Escapes, *, upper: bool) -> str:
    if escapes is not _Escapes.ALL:
        return json.dumps(text, ensure_ascii=escapes is _Escapes.ASCII)
    units = text.encode("utf-16-be")
    pairs = (units[i : i + 2].hex() for i in range(0, len(units), 2))
    return '"' + "".join("\\u" + (pair.upper() if upper else pair) for pair in pairs) + '"'


@st.composite
def spellings(draw: st.DrawFn, members: JSONObject) -> bytes:
    """Give the octets of an object, in one of the many ways to write it.

    Order of members, white space, and which characters are escaped differ; the object is the
    same. Specification: [FRAME-7], [JSON-6], [JSON-8].
    """
    escapes = draw(st.sampled_from(_Escapes))
    upper = draw(st.booleans())
    pad, comma, colon = draw(st.tuples(_WHITE, _WHITE, _WHITE))
    if len(members) > 1:
        members = dict(draw(st.permutations(list(members.items()))))

    def dump(value: Any) -> str:
        if isinstance(value, str):
            return _dump_string(value, escapes, upper=upper)
        if isinstance(value, dict):
            pairs = (f"{dump(name)}{colon}:{pad}{dump(part)}" for name, part in value.items())
            return "{" + pad + f"{comma},{pad}".join(pairs) + comma + "}"
        if isinstance(value, list | tuple):
            return "[" + pad + f"{comma},{pad}".join(map(dump, value)) + comma + "]"
        return json.dumps(value)

    return dump(members).encode()


def cuts(data: bytes) -> st.SearchStrategy[list[bytes]]:
    """Give the pieces in which ``data`` may arrive; joined they are ``data`` again.

    Whole, octet by octet, and cut anywhere; an empty piece may be among them.
    """
    places = st.lists(st.integers(0, len(data)), max_size=8).map(sorted)

    def cut(at: list[int]) -> list[bytes]:
        ends = [*at, len(data)]
        return [data[start:end] for start, end in zip([0, *at], ends, strict=True)]

    octets = [data[i : i + 1] for i in range(len(data))]
    return st.sampled_from(([data], octets)) | places.map(cut)


@frozen
class Fault:
    """Octets that are no frame, each of which a receiver has to notice by their last one.

    Attributes:
        data: the octets.
        code: what this package calls the fault; others may see it as another one.
        liberty: whether the specification lets a receiver take it.
    """

    data: bytes
    code: ViolationCode
    liberty: bool = False


def _faults() -> tuple[Fault, ...]:
    code = ViolationCode
    between = [
        (
            code.NOT_JSON,
            (b"\xef\xbb\xbf{}", b"\x00", b"\x0c", b"}", b"]", b"'", b"x", b"\xff", b","),
        ),
        (code.NOT_AN_OBJECT, (b"[1]", b'"x"', b"5 ", b"-1 ", b"true", b"null", b"false")),
    ]
    values = (
        *(b"NaN", b"Infinity", b"-Infinity", b"nul", b"True", b"01", b"+1", b"1.", b".5", b"1e"),
        *(b"0x1", b"--1", b"'x'", b"[1,]", b"[,1]", b"[1 2]", b'{"b":1,}', b'{"b" 1}', b"{b:1}"),
        *(b'"\t"', b'"\n"', b'"\x00"', b'"\\x"', b'"\\u12"', b'"\\u12g4"', b'"\\U0041"'),
        *(b"/*c*/1", b"1//c\n", b"[1}", b"{]", b"", b"1 1", b'"a" "b"', b"\xc2\xa01", b"1\x0c"),
    )
    no_utf_8 = (
        *(b"\xff", b"\xc0\x80", b"\xc1\xbf", b"\xe0\x80\x80", b"\xed\xa0\x80", b"\xf0\x80\x80\x80"),
        *(b"\xf4\x90\x80\x80", b"\xf8\x88\x80\x80\x80", b"\x80", b"\xe2\x82", b"\xf0\x9f\x98"),
    )
    inside = [
        (code.NOT_JSON, [b'{"a":%b}' % value for value in values]),
        (code.NOT_JSON, [b"{,}", b'{"a":1,}', b'{"a"}', b"{1:2}", b"{'a':1}", b'{"a":1 "b":2}']),
        (code.NOT_UTF_8, [b'{"a":"%b"}' % octets for octets in no_utf_8]),
        (code.NOT_UTF_8, [b'{"%b":1}' % octets for octets in no_utf_8]),
    ]
    liberties = [
        (code.DUPLICATE_NAME, (b'{"a":1,"a":1}', b'{"a":{"b":1,"\\u0062":2}}')),
        (code.NUMBER_OUT_OF_RANGE, (b'{"a":1e999}', b'{"a":-1e309}', b'{"a":1%b}' % (b"0" * 309))),
        (
            code.LONE_SURROGATE,
            (
                b'{"a":"\\ud800"}',
                b'{"\\udfff":1}',
                b'{"a":["\\ude00\\ud83d"]}',
                b'{"a":"\\uD83Dx"}',
            ),
        ),
    ]
    certain = [Fault(data, kind) for kind, all_data in between + inside for data in all_data]
    free = [Fault(data, kind, True) for kind, all_data in liberties for data in all_data]
    return (*certain, *free)


FAULTS = _faults()
"""Every fault that :func:`faults` plants, but those of size and depth."""


def faults(
    *, liberties: bool = False, max_frame_octets: int | None = None, max_depth: int | None = None
) -> st.SearchStrategy[Fault]:
    """Give octets that are no frame.

    Args:
        liberties: also what the specification lets a receiver take.
        max_frame_octets: the receiver's limit, for frames that are larger; None for none of them.
        max_depth: the receiver's limit, for frames that are deeper; None for none of them.
    """
    given = st.sampled_from(
        [
            fault
            for fault in FAULTS
            if (liberties or not fault.liberty)
            and (max_frame_octets is None or len(fault.data) <= max_frame_octets)
            and (max_depth is None or sum(map(fault.data.count, (b"{", b"["))) <= max_depth)
        ]
    )
    if max_frame_octets is not None:
        most = max_frame_octets
        given |= st.integers(1, 20).map(
            lambda more: Fault(b'{"a":"%b"}' % (b"x" * (most + more - 8)), ViolationCode.TOO_LARGE)
        )
    if max_depth is not None:
        deepest = max_depth
        given |= st.integers(0, 20).map(
            lambda more: Fault(
                b'{"a":%b1%b}' % (b"[" * (deepest + more), b"]" * (deepest + more)),
                ViolationCode.TOO_DEEP,
            )
        )
    return given


@frozen
class Stream:
    """What one direction of a connection carries, and what a receiver has to find in it.

    Attributes:
        pieces: the octets, as they arrive.
        objects: the JSON objects to be found, in order: those in front of the fault, if any.
        fault: the first fault; None where there is none. What follows it counts for nothing.
    """

    pieces: list[bytes]
    objects: list[JSONObject]
    fault: Fault | None = field(default=None)

    @property
    def data(self) -> bytes:
        """The octets, in one piece."""
        return b"".join(self.pieces)


def objects() -> st.SearchStrategy[JSONObject]:
    """Give JSON objects: frames of either direction, also with members that nobody knows."""
    frames = (client_frames() | server_frames()).map(lambda frame: frame.members())
    strangers = st.dictionaries(texts(6), json_values(), max_size=3)
    return frames | strangers | st.builds(lambda new, old: {**new, **old}, strangers, frames)


# Made once: a strategy is dear to make, and remembers what it has worked out.
_SOME_OBJECTS = st.lists(objects(), max_size=4)


@st.composite
def streams(
    draw: st.DrawFn,
    *,
    liberties: bool = False,
    max_frame_octets: int | None = None,
    max_depth: int | None = None,
) -> Stream:
    """Give cut streams of good frames, half of them with one fault somewhere.

    A stream without a fault may end in the middle of a frame, which is dropped. The arguments
    are those of :func:`faults`; the good frames keep to the limits given.
    """
    most = MIN_CLIENT_FRAME_OCTETS if max_frame_octets is None else max_frame_octets
    deepest = MIN_DEPTH if max_depth is None else max_depth
    good = draw(_SOME_OBJECTS)
    data = draw(_WHITE).encode()
    found: list[JSONObject] = []
    for members in good:
        octets = draw(spellings(members))
        if len(octets) <= most and _nesting(members) <= deepest:
            data += octets + draw(_WHITE).encode()
            found.append(members)
    fault: Fault | None = None
    ending = draw(st.sampled_from(("fault", "fault", "fragment", "nothing")))
    if ending == "fault":
        fault = draw(
            faults(liberties=liberties, max_frame_octets=max_frame_octets, max_depth=max_depth)
        )
        data += fault.data + draw(st.binary(max_size=8) | st.just(b'{"message":"late"}\n'))
    elif ending == "fragment" and found:
        octets = json.dumps(found[0]).encode()[:most]
        data += octets[: draw(st.integers(0, len(octets) - 1))]
    return Stream(draw(cuts(data)), found, fault)


def _nesting(value: Any) -> int:
    """Give the nesting of a JSON value, as the specification counts it: an object in none is 1."""
    if isinstance(value, dict):
        return 1 + max(map(_nesting, value.values()), default=0)
    if isinstance(value, list | tuple):
        return 1 + max(map(_nesting, value), default=0)
    return 0


_HOSTILE_PARTS = (
    *(b"{", b"}", b"[", b"]", b'"', b"\\", b":", b",", b"\n", b" ", b"0", b"1", b"-", b"e9", b"u"),
    *(b'{"message":"', b'{"username":"a"}', b'{"disconnect":true}', b'{"message":5}', b"null"),
    *(b'\\u0041"', b"\\ud83d", b"\xef\xbb\xbf", b"\xc3", b"\xa9", b"\xf0\x9f", b"\x00", b"[" * 40),
    *(b"1" * 400, b'{"a":1,"a":2}', b'{"ping":"', b'{"dm":', b'"}', b"true}", b" " * 70),
)


def hostile_bytes(max_parts: int = 12) -> st.SearchStrategy[bytes]:
    """Give anything: noise, shards of frames, and good streams with octets changed."""
    shards = st.lists(st.sampled_from(_HOSTILE_PARTS), max_size=max_parts).map(b"".join)
    return st.binary(max_size=40) | shards | st.builds(_damage, streams(), st.data())


def _damage(stream: Stream, data: st.DataObject) -> bytes:
    octets = bytearray(stream.data)
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(octets)))
        end = data.draw(st.integers(place, min(len(octets), place + 4)))
        octets[place:end] = data.draw(st.sampled_from(_HOSTILE_PARTS) | st.binary(max_size=3))
    return bytes(octets)


class Happening(Enum):
    """What a :class:`Step` of a conversation does."""

    CONNECT = "connect"
    DATA = "data"
    END_OF_STREAM = "end of stream"
    RESET = "reset"


@frozen
class Step:
    """One thing that happens to a server.

    Attributes:
        client: which connection, 0 and up.
        happening: what happens to it.
        data: the octets that arrive, where it is :attr:`Happening.DATA`.
    """

    client: int
    happening: Happening
    data: bytes = b""


def _spell(frame: ClientFrame) -> st.SearchStrategy[bytes]:
    return spellings(frame.members()).map(lambda octets: octets + b"\n")


_SPELLED_JOINS = st.sampled_from(("alice", "bob", "carol", "dave")).map(Join).flatmap(_spell)
_TALK = client_messages() | st.builds(Ping, tokens()) | st.builds(Pong, tokens())
_SPELLED_FRAMES = (_TALK | _TALK | _TALK | st.just(Disconnect())).flatmap(_spell)
_HAPPENINGS = st.sampled_from((*[Happening.DATA] * 14, Happening.END_OF_STREAM, Happening.RESET))
_HOSTILE = hostile_bytes()


@st.composite
def conversations(
    draw: st.DrawFn, max_clients: int = 4, max_steps: int = 20, *, hostile: bool = False
) -> list[Step]:
    """Give what happens to a server: clients that come, join, talk across each other, and go.

    Each client connects once, first sends a join (with ``hostile``, perhaps something else), and
    does nothing after it has ended its stream or was reset. Frames arrive in pieces, between
    those of others. Whether a name is taken is up to chance.
    """
    steps: list[Step] = []
    waiting: dict[int, bytes] = {}
    gone: set[int] = set()
    for _ in range(draw(st.integers(1, max_steps))):
        client = draw(st.integers(0, max_clients - 1))
        if client in gone:
            continue
        if client not in waiting:
            steps.append(Step(client, Happening.CONNECT))
            waiting[client] = draw(_SPELLED_JOINS)
        happening = draw(_HAPPENINGS)
        if happening is not Happening.DATA:
            gone.add(client)
            steps.append(Step(client, happening))
            continue
        if hostile and draw(st.integers(0, 3)) == 0:
            waiting[client] += draw(_HOSTILE)
        elif not waiting[client] or draw(st.booleans()):
            waiting[client] += draw(_SPELLED_FRAMES)
        size = draw(st.sampled_from((len(waiting[client]), len(waiting[client]), 1, 7)))
        data, waiting[client] = waiting[client][:size], waiting[client][size:]
        steps.append(Step(client, Happening.DATA, data))
    return steps
