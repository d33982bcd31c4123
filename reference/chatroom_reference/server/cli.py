"""The command line of ``chatroom-ref-server``."""

from __future__ import annotations

import argparse
import signal
import socket
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any, NoReturn

from chatroom_protocol.limits import DEFAULT_PORT, ServerLimits
from chatroom_reference.server.log import FORMATS, LEVELS, open_log
from chatroom_reference.server.server import Server, Settings, raise_open_files
from chatroom_reference.server.tls import server_context

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_USAGE = 2

_SIGNALS = (signal.SIGTERM, signal.SIGINT)

# Option, field of ServerLimits, type, what it bounds.
_LIMITS: tuple[tuple[str, str, type, str], ...] = (
    ("--max-clients", "max_clients", int, "users at one time"),
    (
        "--max-clients-per-address",
        "max_clients_per_address",
        int,
        "connections at one time from one address",
    ),
    ("--max-frame-bytes", "max_frame_octets", int, "octets in a frame from a client"),
    ("--max-depth", "max_depth", int, "levels of nesting in a frame"),
    (
        "--max-queue-bytes",
        "max_outbound_octets",
        int,
        "octets that may wait for one client before it is cut off",
    ),
    ("--join-timeout", "join_timeout", float, "seconds that a connection has to join"),
    (
        "--linger-timeout",
        "linger_timeout",
        float,
        "seconds that a closed connection has to take its last words",
    ),
    ("--max-silence", "max_silence", float, "seconds without an octet that end a connection"),
    (
        "--max-messages-per-second",
        "max_messages_per_second",
        float,
        "messages a second that are read from one client; the rest waits",
    ),
    (
        "--message-burst",
        "message_burst",
        int,
        "messages at once before --max-messages-per-second counts",
    ),
)


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, without repeating the usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(EXIT_USAGE, f"{self.prog}: {message} (see --help)\n")


def _number(kind: type, low: float, high: float) -> Any:
    def parse(text: str) -> Any:
        wanted = f"it has to be {'a whole number' if kind is int else 'a number'}"
        wanted += f", {low:g} to {high:g}" if high < float("inf") else f", at least {low:g}"
        try:
            value = kind(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} won't do: {wanted}") from None
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text} won't do: {wanted}")
        return value

    return parse


def _parser() -> _Parser:
    parser = _Parser(
        prog="chatroom-ref-server",
        description="A room for people to chat in: the reference server of the ChatRoom protocol.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    whole = _number(int, 1, 2**31 - 1)
    add("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    add(
        "--port",
        type=_number(int, 0, 65535),
        default=DEFAULT_PORT,
        help="TCP port; 0 takes a free one (default: %(default)s)",
    )
    add("--tls-cert", metavar="FILE", help="serve TLS with this certificate chain (PEM)")
    add("--tls-key", metavar="FILE", help="its private key (PEM), if not in the same file")
    defaults = ServerLimits()
    limits = parser.add_argument_group("bounds")
    for option, field, kind, what in _LIMITS:
        default = getattr(defaults, field)
        shown = "none" if default is None else f"{default:g}" if kind is float else f"{default}"
        limits.add_argument(
            option,
            dest=field,
            type=_number(kind, 0, float("inf")),
            default=default,
            metavar="SECONDS" if what.startswith("seconds") else "N",
            help=f"{what} (default: {shown})",
        )
    limits.add_argument(
        "--backlog",
        type=whole,
        default=1024,
        metavar="N",
        help="connections that may wait to be accepted (default: %(default)s)",
    )
    limits.add_argument(
        "--keep-alive",
        type=_number(int, 1, 32767),
        default=120,
        metavar="SECONDS",
        help="silence after which TCP asks whether a client is there (default: %(default)s)",
    )
    limits.add_argument(
        "--max-open-files",
        type=whole,
        metavar="N",
        help="open files; each connection is one (default: all that the system allows)",
    )
    add("--log-level", choices=LEVELS, default="info", help="(default: %(default)s)")
    add("--log-format", choices=FORMATS, default="text", help="(default: %(default)s)")
    add("--version", action="version", version=f"%(prog)s {version('chatroom')}")
    return parser


def _settings(parser: _Parser, options: argparse.Namespace) -> Settings:
    try:
        limits = ServerLimits(**{field: getattr(options, field) for _, field, _, _ in _LIMITS})
        raise_open_files(options.max_open_files)
    except ValueError as error:
        parser.error(_in_options(str(error)))
    tls = None
    if options.tls_key and not options.tls_cert:
        parser.error("--tls-key needs --tls-cert, the certificate that the key belongs to")
    if options.tls_cert:
        try:
            tls = server_context(options.tls_cert, options.tls_key)
        except OSError as error:
            parser.error(
                f"--tls-cert: no usable certificate and key in {options.tls_cert!r}"
                f" ({error.strerror or error})"
            )
    return Settings(
        host=options.host,
        port=options.port,
        limits=limits,
        backlog=options.backlog,
        keep_alive=options.keep_alive,
        tls=tls,
    )


def _in_options(sentence: str) -> str:
    """Name the option where ``sentence`` names the field."""
    for option, field, _, _ in _LIMITS:
        if sentence.startswith(f"{field} "):
            return option + sentence[len(field) :]
    return sentence


def _where(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT; return the exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    settings = _settings(parser, options)
    # Before any thread exists, so that all inherit it: only sigwait takes these.
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    log = open_log(options.log_level, options.log_format)
    server = Server(settings, log)
    try:
        host, port = server.start()
    except OSError as error:
        where = _where(options.host, options.port)
        print(f"{parser.prog}: cannot listen on {where}: {_reason(error)}", file=sys.stderr)
        return EXIT_FAILED
    try:
        print(f"listening on {_where(host, port)}", flush=True)
    except OSError as error:
        print(f"{parser.prog}: cannot write to stdout: {_reason(error)}", file=sys.stderr)
        # Nothing is left to flush at exit, which would fail once more.
        sys.stdout = None
        return EXIT_FAILED
    signal.sigwait(_SIGNALS)
    # A second one ends the process at once, as it would have without us.
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    server.stop()
    log.close()
    return EXIT_OK


def _reason(error: OSError) -> str:
    if isinstance(error, socket.gaierror):
        return "there is no such address"
    # What create_server adds in brackets repeats the address.
    return (error.strerror or str(error)).partition(" (while")[0]
