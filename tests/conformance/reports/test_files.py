from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chatroom_conformance.reports import files
from chatroom_conformance.results import RunResult, Verdict
from tests.conformance.reports import samples

RESULT = samples.one_of_each()
NOBODY = 65534


@pytest.mark.parametrize("kind", files.FORMATS)
def test_a_report_is_written(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "report"
    files.check_writable(path)
    assert list(tmp_path.iterdir()) == []
    files.write(kind, RESULT, path)
    assert path.read_text(encoding="utf-8") == files.FORMATS[kind](RESULT)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("kind", files.FORMATS)
def test_each_format_survives_hostile_text(kind: str, tmp_path: Path) -> None:
    files.write(kind, samples.hostile(), tmp_path / "report")
    (tmp_path / "report").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["missing/report", ".", "file/report", "x" * 300])
def test_an_unwritable_path_is_found_before_the_run(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError) as caught:
        files.check_writable(tmp_path / name)
    assert caught.value.strerror
    assert caught.value.filename == str(tmp_path / name)
    with pytest.raises(OSError):
        files.write_json(RESULT, tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@contextmanager
def without_privileges() -> Iterator[None]:
    """Root may write everywhere, so be nobody for a while."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(user)


def test_a_write_protected_file_is_found_before_the_run() -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        path = Path(folder) / "report"
        path.touch()
        path.chmod(0o444)
        with without_privileges():
            assert path.is_file()
            with pytest.raises(PermissionError):
                files.check_writable(path)


def test_the_check_leaves_a_file_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "report"
    path.write_text("before")
    files.check_writable(path)
    assert path.read_text() == "before"


def test_a_full_device_is_an_error() -> None:
    files.check_writable("/dev/full")
    with pytest.raises(OSError, match="No space"):
        files.write_json(RESULT, "/dev/full")


def test_the_report_before_stays_until_the_new_one_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "report"
    path.write_text("before")

    def full(_: Path, __: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space"):
        files.write_html(RESULT, path)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_in_a_folder_that_takes_no_new_ones_is_written_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "report"
    path.write_text("before, and longer than nothing")

    def denied(target: Path) -> Path:
        raise PermissionError(13, "Permission denied", str(target))

    monkeypatch.setattr(files, "_beside", denied)
    files.check_writable(path)
    files.write_json(RESULT, path)
    assert json.loads(path.read_text())["target"] == RESULT.target
    with pytest.raises(PermissionError):
        files.write_json(RESULT, tmp_path / "new")


def test_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "report")
    files.write_junit(RESULT, tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "report").read_text().startswith("<?xml")


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600)])
def test_permissions_are_those_of_any_new_file(mask: int, mode: int, tmp_path: Path) -> None:
    before = os.umask(mask)
    try:
        files.write_json(RESULT, tmp_path / "report")
    finally:
        os.umask(before)
    assert (tmp_path / "report").stat().st_mode & 0o777 == mode


def test_an_unreachable_server_gets_a_report_too(tmp_path: Path) -> None:
    result = RunResult("nowhere:1", Verdict.INCONCLUSIVE, (), (), trouble="No answer.")
    for kind in files.FORMATS:
        files.write(kind, result, tmp_path / kind)
        assert "No answer." in (tmp_path / kind).read_text(encoding="utf-8")
