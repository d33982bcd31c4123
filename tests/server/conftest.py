"""Fixtures: servers that are stopped when the test is over."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from chatroom_protocol.limits import ServerLimits
from chatroom_reference.server.server import Settings
from tests.server.harness import Certificates, Process, Running


@pytest.fixture(autouse=True, scope="session")
def _many_files() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


@pytest.fixture
def start() -> Iterator[Callable[..., Running]]:
    """Give a function that starts a server; its arguments are settings and limits."""
    with ExitStack() as stack:

        def begin(**options: Any) -> Running:
            own = {
                name: options.pop(name) for name in ("tls", "keep_alive", "host") if name in options
            }
            limits = ServerLimits(**{"linger_timeout": 1.0, **options})
            running = Running(Settings(port=0, limits=limits, **own))
            stack.callback(running.stop)
            return running

        yield begin


@pytest.fixture
def spawn() -> Iterator[Callable[..., Process]]:
    """Give a function that starts the command with options."""
    with ExitStack() as stack:

        def begin(*options: str) -> Process:
            process = Process(*options)
            stack.callback(process.end)
            return process

        yield begin


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("tls"))
