"""Ctrl-C and SIGTERM: a request to leave, once; a second one ends the program at once."""

from __future__ import annotations

import signal
from collections.abc import Callable
from types import FrameType


def on_stop(leave: Callable[[], None]) -> None:
    """Have ``leave`` called in the main thread at the first signal that asks to stop."""

    def handle(_number: int, _frame: FrameType | None) -> None:
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)
        leave()

    names = ("SIGINT", "SIGTERM", "SIGHUP")
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    for number in numbers:
        signal.signal(number, handle)
