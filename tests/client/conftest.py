from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.client.support import (
    Gui,
    OriginalServer,
    Person,
    RealServer,
    ScriptedServer,
    collect,
    need,
    xvfb,
)


@pytest.fixture(scope="session")
def display() -> Iterator[str]:
    need("xdotool")
    with xvfb() as name:
        yield name


@pytest.fixture(scope="session")
def server() -> Iterator[RealServer]:
    running = RealServer()
    yield running
    running.stop()


@pytest.fixture
def mortal_server() -> Iterator[RealServer]:
    """Give a server of the test's own, to be killed."""
    running = RealServer()
    yield running
    running.stop()


@pytest.fixture
def original() -> Iterator[OriginalServer]:
    running = OriginalServer()
    yield running
    running.close()


@pytest.fixture
def scripted() -> Iterator[ScriptedServer]:
    running = ScriptedServer()
    yield running
    running.close()


@pytest.fixture
def person() -> Iterator[Callable[[int, str], Person]]:
    people: list[Person] = []

    def join(port: int, name: str) -> Person:
        people.append(Person(port, name))
        return people[-1]

    yield join
    for each in people:
        each.leave()


@pytest.fixture
def gui(display: str) -> Iterator[Callable[..., Gui]]:
    opened: list[Gui] = []

    def open_window(*arguments: object, **options: object) -> Gui:
        opened.append(Gui(display, *arguments, **options))  # type: ignore[arg-type]
        return opened[-1]

    yield open_window
    for each in opened:
        each.close()
    opened.clear()
    collect()
