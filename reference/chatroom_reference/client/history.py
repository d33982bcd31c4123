"""What was written before, recalled with Up and Down."""

from __future__ import annotations

from collections import deque


class History:
    """Recalls sent texts, newest first, without losing the draft that was being written."""

    def __init__(self, size: int = 200) -> None:
        self._texts: deque[str] = deque(maxlen=size)
        self._place = 0
        self._draft = ""

    def remember(self, text: str) -> None:
        """Keep a text that was sent or put away, and go back to the newest end."""
        if text.strip() and (not self._texts or self._texts[-1] != text):
            self._texts.append(text)
        self._place = 0

    def older(self, current: str) -> str | None:
        """Give the text before the one shown; None at the oldest. ``current`` may be a draft."""
        if self._place == len(self._texts):
            return None
        if self._place == 0:
            self._draft = current
        self._place += 1
        return self._texts[-self._place]

    def newer(self) -> str | None:
        """Give the text after the one shown, the draft at last; None when that is shown."""
        if self._place == 0:
            return None
        self._place -= 1
        return self._texts[-self._place] if self._place else self._draft
