"""A script of the standard library alone that does to a server what a case did."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .requirements import requirements
from .results import CaseResult, Entry, What
from .vocabulary import LEAVING
from .wire import READS_AGAIN, STOPS_READING, Address

_TEMPLATE = '''#!/usr/bin/env python3
"""{title}

Run it with the address of the server: python3 THIS_FILE [HOST:PORT]
It needs nothing but Python 3, and ends with 1 when the failure shows again, with 0 when it doesn't.
"""

import json
import select
import socket
import ssl
import struct
import sys
import time

TARGET = sys.argv[1] if len(sys.argv) > 1 else {target!r}
TLS = {tls!r}
WAIT = 2.0  # seconds for each frame that came when the case ran

# What to do. "wait": until so many frames in all have come on the connection, or WAIT is over.
STEPS = [
{steps}
]

# What to look for then: kind, connection, members of a frame, a sentence.
CHECKS = [
{checks}
]

# How everybody leaves.
LEAVING = [
{leaving}
]

links, frames, buffers, ended, paused = {{}}, {{}}, {{}}, set(), set()
began = time.monotonic()


def show(label, arrow, what):
    print(f"{{(time.monotonic() - began) * 1000:9.1f}} ms  {{label:<10}} {{arrow}} {{what}}")


def connect(label, narrow=False):
    host, _, port = TARGET.rpartition(":")
    where = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)[0]
    link = socket.socket(where[0], socket.SOCK_STREAM)
    link.settimeout(5)
    if narrow:  # little fits between the two ends
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
    link.connect(where[4])
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if TLS:
        context = ssl._create_unverified_context()
        link = context.wrap_socket(link, server_hostname=host.strip("[]"))
    links[label], frames[label], buffers[label] = link, [], b""
    show(label, "--", "connected")


def read(timeout):
    open_ones = {{links[x]: x for x in links if x not in ended and x not in paused}}
    ready = [x for x in open_ones if TLS and x.pending()]
    if not open_ones:
        return
    for link in ready or select.select(list(open_ones), [], [], timeout)[0]:
        label = open_ones[link]
        try:
            data = link.recv(65536)
        except OSError as error:
            data = b""
            show(label, "<-", f"error: {{error}}")
        if not data:
            ended.add(label)
            show(label, "<-", "end of stream")
        buffers[label] += data
        cut(label)


def cut(label):
    """Take complete objects from the front of what has come."""
    depth, quoted, escaped, begin = 0, False, False, 0
    data = buffers[label]
    for at in range(len(data)):
        octet = data[at : at + 1]
        if quoted:
            quoted = escaped or octet != b'"'
            escaped = octet == b"\\\\" and not escaped
        elif octet == b'"':
            quoted = True
        elif octet in (b"{{", b"["):
            depth += 1
        elif octet in (b"}}", b"]"):
            depth -= 1
            if depth == 0:
                raw = data[begin : at + 1].strip()
                begin = at + 1
                show(label, "<-", ascii(raw.decode("utf-8", "replace"))[:300])
                try:
                    frames[label].append(json.loads(raw))
                except ValueError:
                    frames[label].append(None)
    buffers[label] = data[begin:]


def wait(done, seconds=WAIT):
    deadline = time.monotonic() + seconds
    while not done() and time.monotonic() < deadline:
        read(max(0.0, min(0.1, deadline - time.monotonic())))
        if all(x in ended for x in links):
            break


def do(action, label, value=None):
    if action == "connect":
        connect(label, bool(value))
    elif action == "send":
        show(label, "->", ascii(value.decode("utf-8", "replace"))[:300])
        try:
            links[label].sendall(value)
        except OSError as error:
            show(label, "--", f"cannot send: {{error}}")
    elif action == "wait":
        wait(lambda: len(frames[label]) >= value or label in ended)
    elif action == "end":
        wait(lambda: label in ended)
    elif action in ("pause", "resume"):
        (paused.add if action == "pause" else paused.discard)(label)
    elif action == "half-close":
        show(label, "--", "half-close")
        links[label].shutdown(socket.SHUT_WR)
    else:  # close or reset
        show(label, "--", action)
        if action == "reset":
            no_linger = struct.pack("ii", 1, 0)
            links[label].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_linger)
        ended.add(label)
        links[label].close()


def fits(frame, members):
    return isinstance(frame, dict) and all(
        key in frame and frame[key] == value and type(frame[key]) is type(value)
        for key, value in members.items()
    )


def shown(kind, label, members):
    def there():
        return any(fits(frame, members) for frame in frames.get(label, []))

    if kind == "missing":
        wait(there)
        return not there()
    if kind == "unwanted":
        wait(there, 0.5)
        return there()
    wait(lambda: label in ended)
    return label not in ended


for step in STEPS:
    do(*step)
again = 0
print()
for kind, label, members, sentence in CHECKS:
    if kind is None:
        print(f"LOOK ABOVE: {{sentence}}")
    elif shown(kind, label, members):
        again = 1
        print(f"SHOWN AGAIN: {{sentence}}")
    else:
        print(f"not shown this time: {{sentence}}")
print()
for step in LEAVING:
    do(*step)
sys.exit(again)
'''


def script(result: CaseResult, address: Address) -> str:
    """The text of the script for one case that has run with its whole transcript."""
    marks = [entry.data for entry in result.transcript]
    end = marks.index(LEAVING) if LEAVING in marks else len(marks)
    names, counts = _Names(), dict[str, int]()
    steps = list(_steps(result.transcript[:end], names, counts))
    leaving = list(_steps(result.transcript[end:], names, counts))
    checks = "\n".join(f"    {check!r}," for check in _checks(result))
    return _TEMPLATE.format(
        title=_title(result).replace("\\", "\\\\").replace('"""', '\\"\\"\\"'),
        target=str(address),
        tls=address.tls is not None,
        steps="\n".join(f"    {step!r}," for step in steps),
        leaving="\n".join(f"    {step!r}," for step in leaving),
        checks=checks,
    )


def _title(result: CaseResult) -> str:
    lines = [f"Conformance case {result.id}.", ""]
    for finding in result.findings:
        lines.append(f"{finding.requirement}: {requirements()[finding.requirement].text}")
        lines.append(f"    permitted: {_one_line(finding.permitted)}")
        lines.append(f"    actual:    {_one_line(finding.actual)}")
    if not result.findings:
        lines.append(f"It showed no failure ({result.status.value}): {result.rule}")
    return "\n".join(lines)


def _one_line(text: str) -> str:
    return text.encode("unicode_escape").decode()


def _checks(result: CaseResult) -> Iterator[tuple[object, ...]]:
    for finding in result.findings:
        sentence = f"{finding.requirement}: permitted: {finding.permitted}; then: {finding.actual}"
        check = finding.check
        if check is None:
            yield (None, "", {}, sentence)
        else:
            yield (check.kind, check.connection, dict(check.members), sentence)


def _steps(
    entries: Iterable[Entry], names: _Names, counts: dict[str, int]
) -> Iterator[tuple[object, ...]]:
    """One step an action; of frames in a row the last of each connection is awaited."""
    awaited: dict[str, tuple[object, ...]] = {}
    for entry in entries:
        label = names.of(entry)
        if entry.what is What.RECEIVED:
            counts[label] = counts.get(label, 0) + 1
            awaited[label] = ("wait", label, counts[label])
        elif entry.what in (What.END_OF_STREAM, What.PEER_RESET):
            awaited[label] = ("end", label)
        else:
            step = _action(entry, label)
            if step:
                yield from awaited.values()
                awaited.clear()
                yield step
    yield from awaited.values()


def _action(entry: Entry, label: str) -> tuple[object, ...] | None:
    if entry.what is What.CONNECTED:
        return ("connect", label, True) if entry.data else ("connect", label)
    if entry.what is What.SENT:
        return ("send", label, entry.data)
    if entry.what is What.NOTE:
        remark = {STOPS_READING.encode(): "pause", READS_AGAIN.encode(): "resume"}
        return (remark[entry.data], label) if entry.data in remark else None
    kinds = {What.HALF_CLOSED: "half-close", What.CLOSED: "close", What.RESET: "reset"}
    return (kinds[entry.what], label)


class _Names:
    """Labels that several connections of a case share are told apart by numbers."""

    def __init__(self) -> None:
        self._used: dict[str, int] = {}

    def of(self, entry: Entry) -> str:
        if entry.what is What.CONNECTED:
            self._used[entry.connection] = self._used.get(entry.connection, 0) + 1
        number = self._used.get(entry.connection, 1)
        return entry.connection if number < 2 else f"{entry.connection} {number}"
