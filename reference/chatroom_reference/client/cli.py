"""The command line of ``chatroom-ref-client``."""

from __future__ import annotations

import argparse
import ssl
import sys
from collections.abc import Sequence
from importlib.metadata import version

from chatroom_protocol.limits import DEFAULT_PORT
from chatroom_reference.client.address import Address
from chatroom_reference.client.colours import PALETTES
from chatroom_reference.client.console import run_console
from chatroom_reference.client.session import Session
from chatroom_reference.client.tls import client_context

_SETTLE = 0.25


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="chatroom-ref-client", description="Chat in a room, in a window or a terminal."
    )
    parser.add_argument("username", metavar="USERNAME", help="the name to join as")
    parser.add_argument(
        "--host", default="127.0.0.1", help="the server's name or address (default: %(default)s)"
    )
    parser.add_argument(
        "--port",
        type=_port,
        default=DEFAULT_PORT,
        help="the server's TCP port (default: %(default)s)",
    )
    parser.add_argument("--console", action="store_true", help="use the terminal, not a window")
    parser.add_argument(
        "--theme", choices=sorted(PALETTES), default="light", help="the window's colours"
    )
    parser.add_argument(
        "--no-emoji", action="store_true", help="spell emoji out, where fonts cannot show them"
    )
    parser.add_argument("--tls", action="store_true", help="encrypt, and check who the server is")
    parser.add_argument(
        "--tls-ca", metavar="FILE", help="trust the certificates in FILE (PEM), not the system's"
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {version('chatroom')}")
    return parser


def _port(text: str) -> int:
    if text.isascii() and text.isdigit() and 1 <= int(text) <= 65535:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no TCP port: a number from 1 to 65535 is")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the client; give its exit status.

    Returns:
        0 after leaving, or when the server ended the session; 1 with one sentence on stderr
        when it could not join, or lost the connection for good. (2, by argparse: wrong usage.)
    """
    options = _parser().parse_args(arguments)
    if options.tls_ca and not options.tls:
        print("chatroom-ref-client: --tls-ca has no meaning without --tls", file=sys.stderr)
        return 2
    try:
        tls = client_context(options.tls_ca) if options.tls else None
    except ValueError as error:
        return _fail(str(error))
    address = Address(options.host, options.port)
    emoji = not options.no_emoji
    if options.console:
        session = run_console(address, options.username, tls, emoji=emoji)
    else:
        try:
            session = _run_window(address, options.username, tls, options.theme, emoji=emoji)
        except _NoWindow as why:
            return _fail(str(why))
    session.settle(_SETTLE)
    if session.failure:
        return _fail(session.failure)
    if session.closing_words:
        print(session.closing_words, file=sys.stderr)
    return 0


class _NoWindow(Exception):  # noqa: N818 - a sentence for the user
    pass


def _run_window(
    address: Address, username: str, tls: ssl.SSLContext | None, theme: str, *, emoji: bool
) -> Session:
    try:
        import tkinter as tk

        from chatroom_reference.client.look import open_root
        from chatroom_reference.client.window import run_window
    except ImportError:
        raise _NoWindow(
            "This Python has no tkinter to open a window with; install it, or use --console."
        ) from None
    try:
        root = open_root()
    except tk.TclError as error:
        raise _NoWindow(f"No window can be opened ({error}); use --console.") from None
    return run_window(root, address, username, tls, PALETTES[theme], emoji=emoji)


def _fail(sentence: str) -> int:
    print(f"chatroom-ref-client: {sentence}", file=sys.stderr)
    return 1
