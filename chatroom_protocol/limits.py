"""Every number of the protocol, in one place.

Two kinds of number live here. A *constant* is the same for every implementation, because both
ends compute with it: a longer username is simply not a username. A *limit* is chosen by each
implementation, at or above the minimum that the specification lets its peers rely on; it is a
field of :class:`ServerLimits` or :class:`ClientLimits`. :data:`LIMITS` is the table of both that
the specification prints (section "Limits").
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import field, frozen

DEFAULT_PORT = 1134

MAX_USERNAME_CODE_POINTS = 64
MAX_USERNAME_OCTETS = 255
MAX_PING_CODE_POINTS = 64

# What every server accepts from a client, and so all that a client can count on.
MIN_CLIENT_FRAME_OCTETS = 4096
# What every client accepts, and so the most that a server sends: an encoder may spend six octets
# (``\u0061``) on each octet of a 4,096-octet frame, and 8,192 are left for the other members.
MAX_SERVER_FRAME_OCTETS = 32768
MIN_DEPTH = 16
MIN_OUTBOUND_OCTETS = 65536
MIN_JOIN_TIMEOUT = 10.0
MIN_LINGER_TIMEOUT = 1.0
MIN_CLIENTS = 16

# Python's JSON parser recurses once a level; far below this it is safe on every platform.
_MAX_DEPTH = 256

_Validator = Callable[[Any, Any, Any], None]


def _between(low: float, high: float | None = None, *, unit: str) -> _Validator:
    wanted = f"at least {low:,g}" if high is None else f"{low:,g} to {high:,g}"

    def check(_instance: object, attribute: Any, value: float | None) -> None:
        if value is None and attribute.default is None:
            return
        # Written so that NaN, which compares false with everything, is refused as well.
        if value is None or not (value >= low and (high is None or value <= high)):
            msg = f"{attribute.name} is {value!r}, but it has to be {wanted} {unit}"
            raise ValueError(msg)

    return check


@frozen(kw_only=True)
class ServerLimits:
    """What a server accepts before it refuses, rejects, cuts off or waits.

    Attributes:
        max_frame_octets: largest frame accepted from a client, ``{`` to ``}``, in octets.
        max_depth: deepest nesting accepted; the frame itself is depth 1.
        max_outbound_octets: most octets that may wait for one client before it is cut off.
        join_timeout: seconds that a connection has to join.
        linger_timeout: seconds for which a closed connection's queue is still written and its
            input still read and thrown away.
        max_clients: users at one time; None is no limit.
        max_clients_per_address: connections at one time from one address; None is no limit.
        max_messages_per_second: how fast one client is read, on average; None is no limit.
        message_burst: messages that a client may send at once before that average counts.
        max_silence: seconds without an octet after which a user is taken to be gone; None is for
            ever.

    The constructor does not insist on the specification's minimums, so that a test can use small
    numbers; what it refuses, with :class:`ValueError`, makes no sense for any server.
    Specification: [LIMIT], section "Limits".
    """

    max_frame_octets: int = field(default=65536, validator=_between(64, unit="octets"))
    max_depth: int = field(default=32, validator=_between(1, _MAX_DEPTH, unit="levels"))
    max_outbound_octets: int = field(default=1048576, validator=_between(1, unit="octets"))
    join_timeout: float = field(default=30.0, validator=_between(0, unit="seconds"))
    linger_timeout: float = field(default=2.0, validator=_between(0, unit="seconds"))
    max_clients: int | None = field(default=None, validator=_between(1, unit="clients"))
    max_clients_per_address: int | None = field(
        default=None, validator=_between(1, unit="connections")
    )
    max_messages_per_second: float | None = field(
        default=None, validator=_between(0.001, unit="messages a second")
    )
    message_burst: int = field(default=20, validator=_between(1, unit="messages"))
    max_silence: float | None = field(default=None, validator=_between(0.001, unit="seconds"))


@frozen(kw_only=True)
class ClientLimits:
    """What a client accepts from a server, and the most it sends.

    Attributes:
        max_frame_octets: largest frame accepted from the server, in octets.
        max_depth: deepest nesting accepted; the frame itself is depth 1.
        max_sent_octets: largest frame sent; more than 4,096 may be refused by some server.

    Raises :class:`ValueError` for numbers that make no sense. Specification: section "Limits".
    """

    max_frame_octets: int = field(default=1048576, validator=_between(64, unit="octets"))
    max_depth: int = field(default=32, validator=_between(1, _MAX_DEPTH, unit="levels"))
    # The answers to a ping and to a violation are not the program's to shorten; 512 octets hold
    # the longest name and the longest token, escaped.
    max_sent_octets: int = field(
        default=MIN_CLIENT_FRAME_OCTETS, validator=_between(512, unit="octets")
    )


@frozen
class Limit:
    """One row of the specification's table of limits.

    ``minimum`` is what every implementation accepts, ``default`` what this one does unless told
    otherwise, ``maximum`` the end of the range where the number is exact; None means that there
    is no such number.
    """

    name: str
    unit: str
    applies_to: str
    minimum: float | None
    default: float | None
    maximum: float | None = None


_SERVER = ServerLimits()
_CLIENT = ClientLimits()

LIMITS: tuple[Limit, ...] = (
    Limit("client-frame", "octets", "server", MIN_CLIENT_FRAME_OCTETS, _SERVER.max_frame_octets),
    Limit(
        "server-frame",
        "octets",
        "client",
        MAX_SERVER_FRAME_OCTETS,
        _CLIENT.max_frame_octets,
    ),
    Limit("depth", "levels", "both", MIN_DEPTH, _SERVER.max_depth),
    Limit(
        "username-code-points",
        "code points",
        "both",
        MAX_USERNAME_CODE_POINTS,
        MAX_USERNAME_CODE_POINTS,
        MAX_USERNAME_CODE_POINTS,
    ),
    Limit(
        "username-octets",
        "octets",
        "both",
        MAX_USERNAME_OCTETS,
        MAX_USERNAME_OCTETS,
        MAX_USERNAME_OCTETS,
    ),
    Limit(
        "ping-token",
        "code points",
        "both",
        MAX_PING_CODE_POINTS,
        MAX_PING_CODE_POINTS,
        MAX_PING_CODE_POINTS,
    ),
    Limit("outbound-queue", "octets", "server", MIN_OUTBOUND_OCTETS, _SERVER.max_outbound_octets),
    Limit("join-timeout", "seconds", "server", MIN_JOIN_TIMEOUT, _SERVER.join_timeout),
    Limit("linger-timeout", "seconds", "server", MIN_LINGER_TIMEOUT, _SERVER.linger_timeout),
    Limit("clients", "users", "server", MIN_CLIENTS, _SERVER.max_clients),
    Limit("clients-per-address", "connections", "server", None, _SERVER.max_clients_per_address),
    Limit("messages-per-second", "messages", "server", None, _SERVER.max_messages_per_second),
    Limit("message-burst", "messages", "server", None, _SERVER.message_burst),
    Limit("silence", "seconds", "server", None, _SERVER.max_silence),
)
