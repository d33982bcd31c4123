"""Known failures: a file with the ids of requirements that a server is known not to meet.

One id a line; `#` begins a comment. They are still tested, and one that is met again makes the
file stale, as does an id that is no requirement.
"""

from __future__ import annotations

from pathlib import Path

from attrs import evolve

from .requirements import requirements
from .results import BaselineResult, RunResult, Status

#: What a baseline can excuse.
_FAILS = (Status.VIOLATED, Status.DEVIATES)


class BaselineError(Exception):
    """The file can't be read or written."""


def compare(result: RunResult, path: str) -> RunResult:
    """The result with its comparison to the file.

    Raises:
        BaselineError: the file can't be read.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BaselineError(f"cannot read the baseline {path}: {_reason(error)}") from error
    words = [line.partition("#")[0].strip() for line in lines]
    expected = dict.fromkeys(word for word in words if word)
    statuses = {requirement.id: requirement.status for requirement in result.requirements}
    failing = [r.id for r in result.requirements if r.status in _FAILS]
    counting = [r.id for r in result.requirements if r.status in _counting(result)]
    return evolve(
        result,
        baseline=BaselineResult(
            path=path,
            known=tuple(name for name in failing if name in expected),
            new=tuple(name for name in counting if name not in expected),
            passes=tuple(name for name in expected if statuses.get(name) is Status.MET),
            unmatched=tuple(name for name in expected if name not in requirements()),
        ),
    )


def _counting(result: RunResult) -> tuple[Status, ...]:
    return _FAILS if result.strict else (Status.VIOLATED,)


def write(result: RunResult, path: str) -> int:
    """Write the requirements that fail; how many they are.

    Raises:
        BaselineError: the file can't be written.
    """
    failing = [r for r in result.requirements if r.status in _FAILS]
    lines = [f"# Requirements that {result.target} is known not to meet.\n"]
    lines += [f"{r.id}  # {r.status.value}: {r.text}\n" for r in failing]
    try:
        Path(path).write_text("".join(lines), encoding="utf-8")
    except OSError as error:
        raise BaselineError(f"cannot write the baseline {path}: {_reason(error)}") from error
    return len(failing)


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
