"""Reports into files: found unwritable before the run, and never left half written after it."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from ..results import RunResult
from . import html_report, json_report, junit_report

FORMATS: dict[str, Callable[[RunResult], str]] = {
    "json": json_report.render,
    "junit": junit_report.render,
    "html": html_report.render,
}

#: A folder that takes no new file, or a file that can't be replaced (a mount point).
_TAKES_NO_NEW = (errno.EACCES, errno.EPERM, errno.EROFS, errno.EBUSY)


def check_writable(path: str | Path) -> None:
    """Find out before a run whether `write` will succeed; changes nothing.

    Raises:
        OSError: it won't; `strerror` and `filename` say why.
    """
    target = Path(path)
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if target.exists():
        with target.open("r+b" if target.is_file() else "ab"):
            return
    try:
        _beside(target).unlink()
    except OSError as error:
        raise type(error)(error.errno, error.strerror, str(path)) from None


def write(kind: str, result: RunResult, path: str | Path) -> None:
    """Write the report of `kind` (a key of `FORMATS`) as UTF-8.

    Whoever reads `path` meanwhile sees the report before or this one, never half of it; except for
    a device or a pipe, and a file in a folder that takes no new ones: they are written in place.

    Raises:
        OSError: it can't be written.
    """
    data = FORMATS[kind](result).encode("utf-8")
    # A link stays one: what it leads to is replaced.
    target = Path(path).resolve()
    if target.exists() and not target.is_file():
        _in_place(target, data)
        return
    try:
        _replace(target, data)
    except OSError as error:
        if error.errno not in _TAKES_NO_NEW or not target.is_file():
            raise
        _in_place(target, data)


def _replace(target: Path, data: bytes) -> None:
    new = _beside(target)
    try:
        new.write_bytes(data)
        new.chmod(_mode(target))
        new.replace(target)
    except BaseException:
        new.unlink(missing_ok=True)
        raise


def _in_place(target: Path, data: bytes) -> None:
    with target.open("wb") as out:
        out.write(data)


def write_json(result: RunResult, path: str | Path) -> None:
    """Write the JSON report; see `write`."""
    write("json", result, path)


def write_junit(result: RunResult, path: str | Path) -> None:
    """Write the JUnit report; see `write`."""
    write("junit", result, path)


def write_html(result: RunResult, path: str | Path) -> None:
    """Write the HTML report; see `write`."""
    write("html", result, path)


def _beside(target: Path) -> Path:
    """A new empty file in the folder of `target`."""
    handle, name = tempfile.mkstemp(prefix=f".{target.name[:40]}.", dir=target.parent)
    os.close(handle)
    return Path(name)


def _mode(target: Path) -> int:
    """The permissions that `target` has, or would get if it were made with `open`."""
    if target.exists():
        return target.stat().st_mode & 0o777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
