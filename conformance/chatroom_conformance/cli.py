"""The command `chatroom-conformance`."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import signal
import ssl
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

from . import baseline, launch, registry, repro
from .cases import load_cases
from .reports.terminal import Terminal, list_cases
from .results import ExitCode, RunResult
from .runner import Options, UnknownCaseError, parse_address, run, suite_version
from .wire import Address

PROGRAM = "chatroom-conformance"
DEFAULT_TARGET = "127.0.0.1:1134"
_START_SECONDS = 10.0

_EPILOG = """\
exit status:
  0 conformant   1 not conformant   2 usage   3 unreachable, silent, or died
  4 inconclusive   5 stale baseline   70 a bug in the suite   130 interrupted

other commands:
  repro CASE [HOST:PORT]   print a Python script that shows what a case shows
  selftest                 test the suite itself with faulty servers
"""


class UsageError(Exception):
    """The command line asks for something that can't be; the sentence says what."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; gives its exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        return int(_dispatch(words))
    except (UsageError, baseline.BaselineError) as error:
        _complain(str(error))
        return ExitCode.USAGE
    except UnknownCaseError as error:
        _complain(f"no case is called {error}; --list shows them all")
        return ExitCode.USAGE
    except launch.LaunchError as error:
        _complain(str(error))
        return ExitCode.UNREACHABLE_OR_DIED
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except registry.RegistrationError as error:
        _complain(f"a bug in the suite: {error}")
        return ExitCode.SUITE_BUG
    except BrokenPipeError:
        # Whoever read the report has gone: nothing more can be said, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.USAGE


def _dispatch(words: list[str]) -> int:
    if words[:1] == ["selftest"]:
        return _selftest(words[1:])
    if words[:1] == ["repro"]:
        return _repro(_parser("repro").parse_intermixed_args(words[1:]))
    return _run(_parser("").parse_intermixed_args(words))


def _selftest(words: list[str]) -> int:
    module = importlib.import_module("chatroom_conformance.selftest")
    return int(module.main(words))


# ---- the command line


def _parser(command: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"{PROGRAM} {command}".strip(),
        usage=f"%(prog)s {'CASE [HOST:PORT]' if command else 'HOST:PORT [CASE ...]'} [options]",
        description="Tests a ChatRoom server: a verdict per requirement of the specification.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "words",
        nargs="*",
        metavar="HOST:PORT or CASE",
        help="the server to test, unless the suite starts it; then ids or globs of cases",
    )
    _target_options(parser)
    _run_options(parser)
    _output_options(parser)
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {suite_version()}")
    return parser


def _target_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("the server")
    started = group.add_mutually_exclusive_group()
    started.add_argument(
        "--reference", action="store_true", help="start the reference server and test it"
    )
    started.add_argument(
        "--exec", metavar="'CMD {port}'", help="start this command on a free port and test it"
    )
    group.add_argument("--tls", action="store_true", help="speak TLS")
    group.add_argument("--tls-ca", metavar="FILE", help="trust the authorities in this PEM file")
    group.add_argument(
        "--tls-insecure", action="store_true", help="speak TLS and verify no certificate"
    )


def _run_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("the run")
    group.add_argument("--list", action="store_true", help="list the cases and end")
    group.add_argument(
        "--skip", action="append", default=[], metavar="CASE", help="leave out (id or glob)"
    )
    group.add_argument("--strict", action="store_true", help="a SHOULD counts like a MUST")
    group.add_argument(
        "--disruptive", action="store_true", help="flood, fill and stall the server too"
    )
    group.add_argument(
        "--timed", action="store_true", help="run the cases too that wait for time to pass"
    )
    group.add_argument("--baseline", metavar="FILE", help="the failures in this file are known")
    group.add_argument("--write-baseline", metavar="FILE", help="write the failures to this file")
    group.add_argument(
        "--timeout-scale", type=_positive, default=1.0, metavar="X", help="wait X times as long"
    )
    group.add_argument("--seed", type=int, metavar="N", help="shuffle the cases by this number")
    group.add_argument(
        "--jobs", type=_count, default=1, metavar="N", help="run N cases side by side (1)"
    )


def _output_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("reports")
    for kind in _REPORTS:
        group.add_argument(f"--{kind}", metavar="FILE", help=f"write a {kind.upper()} report")
    group.add_argument("-q", "--quiet", action="store_true", help="print the verdict only")
    group.add_argument("-v", "--verbose", action="store_true", help="print every case")
    group.add_argument(
        "--color",
        "--colour",
        choices=("auto", "always", "never"),
        default="auto",
        help="colours on the terminal (auto; NO_COLOR and FORCE_COLOR are heeded)",
    )


_REPORTS = ("json", "junit", "html")


def _positive(text: str) -> float:
    with contextlib.suppress(ValueError):
        if 0 < float(text) <= 1000:
            return float(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no number above 0 and up to 1000")


def _count(text: str) -> int:
    if text.isascii() and text.isdigit() and 1 <= int(text) <= 64:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 to 64")


# ---- running


def _run(arguments: argparse.Namespace) -> int:
    if arguments.list:
        return _list(arguments.words)
    target, cases = _target_and_cases(arguments)
    _check_writable(arguments)
    terminal = _terminal(arguments)
    options = _options(arguments, cases)
    options.progress = terminal
    options.command = _again(arguments, target)
    result = _measured(arguments, target, options)
    if arguments.baseline:
        result = baseline.compare(result, arguments.baseline)
    written = _write_reports(arguments, result)
    terminal.report(result)
    for note in written:
        print(note, file=sys.stderr)
    return result.exit_code


def _list(patterns: Sequence[str]) -> int:
    cases = load_cases()
    chosen, unmatched = registry.select(patterns or ["*"], cases)
    if unmatched:
        raise UnknownCaseError(unmatched[0])
    list_cases(sys.stdout, [cases[name] for name in chosen])
    return ExitCode.CONFORMANT


def _target_and_cases(arguments: argparse.Namespace) -> tuple[str, list[str]]:
    if arguments.reference or arguments.exec:
        return "", arguments.words
    if not arguments.words:
        raise UsageError(f"which server? Give HOST:PORT, e.g. {DEFAULT_TARGET}, or --reference")
    return arguments.words[0], arguments.words[1:]


def _options(arguments: argparse.Namespace, cases: Sequence[str]) -> Options:
    return Options(
        select=cases,
        skip=arguments.skip,
        timeout_scale=arguments.timeout_scale,
        seed=arguments.seed,
        jobs=arguments.jobs,
        disruptive=arguments.disruptive,
        timed=arguments.timed,
        strict=arguments.strict,
    )


def _measured(arguments: argparse.Namespace, target: str, options: Options) -> RunResult:
    tls = _tls(arguments)
    with _terminating(), _server(arguments, target, options, tls) as address:
        return run(address, options)


@contextlib.contextmanager
def _server(
    arguments: argparse.Namespace, target: str, options: Options, tls: ssl.SSLContext | None
) -> Iterator[Address]:
    template = launch.REFERENCE if arguments.reference else arguments.exec
    if not template:
        try:
            yield parse_address(target, tls)
        except ValueError as error:
            raise UsageError(str(error)) from error
        return
    with launch.running(template, _START_SECONDS * arguments.timeout_scale) as connected:
        options.connected = connected
        host, port = connected.getpeername()[:2]
        yield Address(host, port, tls)


@contextlib.contextmanager
def _terminating() -> Iterator[None]:
    """SIGTERM ends a run like Ctrl-C: everybody who joined leaves."""

    def interrupt(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    try:
        before = signal.signal(signal.SIGTERM, interrupt)
    except ValueError:  # not in the main thread: signals are somebody else's business
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _tls(arguments: argparse.Namespace) -> ssl.SSLContext | None:
    if not (arguments.tls or arguments.tls_ca or arguments.tls_insecure):
        return None
    try:
        context = ssl.create_default_context(cafile=arguments.tls_ca)
    except (OSError, ssl.SSLError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise UsageError(f"cannot read {arguments.tls_ca}: {reason}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if arguments.tls_insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


# ---- output


def _terminal(arguments: argparse.Namespace) -> Terminal:
    out = sys.stderr if "-" in (arguments.json, arguments.junit, arguments.html) else sys.stdout
    is_tty = out.isatty() and os.environ.get("TERM", "") != "dumb"
    colour = is_tty and not os.environ.get("NO_COLOR")
    if os.environ.get("FORCE_COLOR"):
        colour = True
    if arguments.color != "auto":
        colour = arguments.color == "always"
    verbosity = -1 if arguments.quiet else int(arguments.verbose)
    return Terminal(out, colour=colour, live=is_tty, verbosity=verbosity)


def _again(arguments: argparse.Namespace, target: str) -> str:
    """The command that repeats a case, without the case."""
    words = [PROGRAM]
    if arguments.reference:
        words.append("--reference")
    elif arguments.exec:
        words += ["--exec", f"'{arguments.exec}'"]
    else:
        words.append(target)
    for name in ("tls", "tls_insecure", "disruptive", "timed"):
        if getattr(arguments, name):
            words.append("--" + name.replace("_", "-"))
    if arguments.tls_ca:
        words += ["--tls-ca", arguments.tls_ca]
    return " ".join([*words, "-v"])


def _check_writable(arguments: argparse.Namespace) -> None:
    """Find out before the run, and not after it, that a report can't be written.

    Raises:
        UsageError: which one, and why.
    """
    for name in (*_REPORTS, "write_baseline"):
        path = getattr(arguments, name)
        if path and path != "-":
            from .reports import files

            with _writing(path):
                files.check_writable(path)
    if arguments.baseline and not Path(arguments.baseline).is_file():
        raise UsageError(f"cannot read the baseline {arguments.baseline}: no such file")


def _write_reports(arguments: argparse.Namespace, result: RunResult) -> list[str]:
    """Write what was asked for; a note on each file."""
    notes = []
    for kind in _REPORTS:
        path = getattr(arguments, kind)
        if not path:
            continue
        from .reports import files

        if path == "-":
            print(files.FORMATS[kind](result))
        else:
            with _writing(path):
                files.write(kind, result, path)
            notes.append(f"{kind} report: {path}")
    if arguments.write_baseline:
        count = baseline.write(result, arguments.write_baseline)
        notes.append(f"baseline with {count} known failures: {arguments.write_baseline}")
    return notes


@contextlib.contextmanager
def _writing(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror or error}") from error


def _complain(sentence: str) -> None:
    print(f"{PROGRAM}: {sentence}", file=sys.stderr)


# ---- repro


def _repro(arguments: argparse.Namespace) -> int:
    started = bool(arguments.reference or arguments.exec)
    if not arguments.words or len(arguments.words) > 2 - started:
        raise UsageError("repro takes one case and the HOST:PORT of a server")
    name, target = arguments.words[0], (*arguments.words[1:], DEFAULT_TARGET)[0]
    case = load_cases().get(name)
    if case is None:
        raise UnknownCaseError(name)
    options = _options(arguments, [name])
    options.whole_transcripts = True
    options.disruptive = options.disruptive or case.disruptive
    options.timed = options.timed or case.timed
    tls = _tls(arguments)
    with _terminating(), _server(arguments, target, options, tls) as address:
        result = run(address, options)
    if result.trouble:
        _complain(result.trouble)
        return result.exit_code
    found = next(case for case in result.cases if case.id == name)
    if not found.transcript:
        _complain(f"{name} couldn't run: {found.reason}")
        return result.exit_code
    print(repro.script(found, address))
    print(f"{PROGRAM}: {name} is {found.status.value}", file=sys.stderr)
    return ExitCode.CONFORMANT
