"""The numbers: which are refused, and that the table has them all."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from chatroom_protocol import LIMITS, ClientLimits, ServerLimits
from chatroom_protocol import limits as numbers


@pytest.mark.parametrize(
    ("kind", "name", "value", "sentence"),
    [
        (ServerLimits, "max_frame_octets", 63, "is 63, but it has to be at least 64 octets"),
        (ServerLimits, "max_depth", 0, "is 0, but it has to be 1 to 256 levels"),
        (ServerLimits, "max_depth", 257, "is 257, but it has to be 1 to 256 levels"),
        (ServerLimits, "max_outbound_octets", 0, "is 0, but it has to be at least 1 octets"),
        (ServerLimits, "join_timeout", -0.1, "is -0.1, but it has to be at least 0 seconds"),
        (ServerLimits, "join_timeout", float("nan"), "is nan, but it has to be at least 0 sec"),
        (ServerLimits, "join_timeout", None, "is None, but it has to be at least 0 seconds"),
        (ServerLimits, "linger_timeout", -1, "is -1, but it has to be at least 0 seconds"),
        (ServerLimits, "max_clients", 0, "is 0, but it has to be at least 1 clients"),
        (ServerLimits, "max_clients_per_address", 0, "is 0, but it has to be at least 1 conn"),
        (ServerLimits, "max_messages_per_second", 0, "is 0, but it has to be at least 0.001 m"),
        (ServerLimits, "message_burst", 0, "is 0, but it has to be at least 1 messages"),
        (ServerLimits, "max_silence", 0, "is 0, but it has to be at least 0.001 seconds"),
        (ClientLimits, "max_frame_octets", 63, "is 63, but it has to be at least 64 octets"),
        (ClientLimits, "max_depth", 0, "is 0, but it has to be 1 to 256 levels"),
        (ClientLimits, "max_sent_octets", 511, "is 511, but it has to be at least 512 octets"),
    ],
)
def test_a_number_that_makes_no_sense_is_refused_in_one_sentence(
    kind: type[Any], name: str, value: Any, sentence: str
) -> None:
    with pytest.raises(ValueError, match=f"^{name} {sentence}"):
        kind(**{name: value})


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        (ServerLimits, "max_frame_octets", 64),
        (ServerLimits, "max_depth", 1),
        (ServerLimits, "max_depth", 256),
        (ServerLimits, "max_outbound_octets", 1),
        (ServerLimits, "join_timeout", 0),
        (ServerLimits, "linger_timeout", 0),
        (ServerLimits, "max_clients", 1),
        (ServerLimits, "max_clients_per_address", 1),
        (ServerLimits, "max_messages_per_second", 0.001),
        (ServerLimits, "message_burst", 1),
        (ServerLimits, "max_silence", 0.001),
        (ServerLimits, "max_silence", None),
        (ClientLimits, "max_frame_octets", 64),
        (ClientLimits, "max_sent_octets", 512),
    ],
)
def test_a_number_at_the_edge_is_taken(kind: type[Any], name: str, value: Any) -> None:
    assert getattr(kind(**{name: value}), name) == value


def test_limits_are_values() -> None:
    limits = ServerLimits()
    assert limits == ServerLimits()
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        limits.max_depth = 3  # type: ignore[misc]


# name: minimum, default, maximum, as the specification's table has them
TABLE = {
    "client-frame": (4096, 65536, None),
    "server-frame": (32768, 1048576, None),
    "depth": (16, 32, None),
    "username-code-points": (64, 64, 64),
    "username-octets": (255, 255, 255),
    "ping-token": (64, 64, 64),
    "outbound-queue": (65536, 1048576, None),
    "join-timeout": (10, 30, None),
    "linger-timeout": (1, 2, None),
    "clients": (16, None, None),
    "clients-per-address": (None, None, None),
    "messages-per-second": (None, None, None),
    "message-burst": (None, 20, None),
    "silence": (None, None, None),
}


def test_the_table_has_the_numbers_of_the_specification() -> None:
    assert {row.name: (row.minimum, row.default, row.maximum) for row in LIMITS} == TABLE


def test_no_default_is_below_its_minimum() -> None:
    for row in LIMITS:
        if row.minimum is not None and row.default is not None:
            assert row.default >= row.minimum
        assert row.applies_to in ("server", "client", "both")


def test_a_client_sends_by_default_no_more_than_every_server_takes() -> None:
    assert ClientLimits().max_sent_octets == numbers.MIN_CLIENT_FRAME_OCTETS == 4096
    assert ClientLimits().max_depth == 32
    assert numbers.DEFAULT_PORT == 1134
