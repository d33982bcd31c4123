"""Work is linear in the octets received: counted in steps, so that no clock can lie.

A step is a call, of Python or of C, or one octet or character looked at by a pattern, by the
JSON parser or by the UTF-8 decoder. ``benchmarks/protocol_linear.py`` has the same in seconds.
"""

from __future__ import annotations

import codecs
import re
import sys
from collections.abc import Callable
from typing import Any

import pytest

from benchmarks.protocol_linear import SHAPES, Shape, pieces
from chatroom_protocol import Decoder, framing


class Counter:
    """Counts calls by a profile function, and what patterns and parsers look at by wrapping."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.steps = 0
        for name, value in vars(framing).copy().items():
            if isinstance(value, re.Pattern):
                monkeypatch.setattr(framing, name, CountingPattern(value, self))
        monkeypatch.setattr(framing, "_parse", self.parser(framing._parse))
        monkeypatch.setattr(framing, "utf_8_decode", self.decoder(codecs.utf_8_decode))

    def parser(self, parse: Callable[..., Any]) -> Callable[..., Any]:
        def counting(text: str, place: int = 0) -> Any:
            end = len(text)
            try:
                value, end = parse(text, place)
            except ValueError as error:
                end = getattr(error, "pos", end)
                raise
            else:
                return value, end
            finally:
                self.steps += end - place

        return counting

    def decoder(self, decode: Callable[..., Any]) -> Callable[..., Any]:
        def counting(data: bytes, *arguments: Any) -> Any:
            self.steps += len(data)
            return decode(data, *arguments)

        return counting

    def profile(self, _frame: Any, event: str, _argument: Any) -> None:
        if event in ("call", "c_call"):
            self.steps += 1

    def count(self, shape: Shape, size: int) -> float:
        """Give the steps per octet of a shape."""
        parts = pieces(shape, size)
        decoder = Decoder(shape.limit, 34)
        self.steps = 0
        before = sys.getprofile()
        sys.setprofile(self.profile)
        try:
            for part in parts:
                decoder.receive_data(part)
        finally:
            sys.setprofile(before)
        return self.steps / sum(map(len, parts))


class CountingPattern:
    """A pattern that adds what it looked at to the steps."""

    def __init__(self, pattern: re.Pattern[Any], counter: Counter) -> None:
        self.pattern = pattern
        self.counter = counter

    def _counted(self, match: Any, text: Any, start: int, stop: int) -> Any:
        self.counter.steps += (match.end() if match else min(stop, len(text))) - start + 1
        return match

    def search(self, text: Any, start: int = 0, stop: int = sys.maxsize) -> Any:
        return self._counted(self.pattern.search(text, start, stop), text, start, stop)

    def match(self, text: Any, start: int = 0) -> Any:
        match = self.pattern.match(text, start)
        self.counter.steps += (match.end() - start if match else 0) + 1
        return match


@pytest.fixture
def counter(monkeypatch: pytest.MonkeyPatch) -> Counter:
    return Counter(monkeypatch)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_steps_per_octet_do_not_grow_with_the_size(shape: Shape, counter: Counter) -> None:
    small, large = counter.count(shape, 4_000), counter.count(shape, 32_000)
    assert large <= small * 1.1 + 0.5
    assert large < 40, "an octet that arrives alone costs a few calls, any other less"


class Rescanning(Decoder):
    """What is to be found out: it looks for the end of the frame from the start each time."""

    def _find_end(self, found: Any) -> int | None:
        self._begin_frame()
        return super()._find_end(found)


def test_the_count_finds_a_decoder_that_is_quadratic(
    counter: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules[__name__], "Decoder", Rescanning)
    shape = SHAPES[0]
    assert counter.count(shape, 16_000) > 3 * counter.count(shape, 4_000)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_shapes_are_about_as_large_as_asked_and_get_through(shape: Shape) -> None:
    octets = shape.octets(5_000)
    assert 4_800 < len(octets) <= 5_200
    assert b"".join(pieces(shape, 5_000)) == octets
    found = Decoder(shape.limit, 34).receive_data(octets)
    unfinished = octets.strip(b" ") == b"" or shape.name == "a string that never ends"
    assert bool(found) != unfinished
