"""Who may import whom."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROTOCOL = sorted((ROOT / "chatroom_protocol").glob("*.py"))
IMPURE = {
    *("socket", "ssl", "threading", "asyncio", "tkinter", "time", "random", "selectors", "select"),
    *("subprocess", "multiprocessing", "os", "io", "pathlib", "logging", "secrets", "signal"),
}
# Each may import what stands in front of it.
ARROWS = ["limits", "errors", "framing", "frames", "states", "connection", "room"]
# Beside the arrows: for other people's tests, and the front door.
OUTSIDE = {"strategies": {"hypothesis", "attrs"}, "__init__": set()}


def imports(path: Path) -> set[str]:
    """Give the full names of all modules that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            package = path.relative_to(ROOT).parts[-1 - node.level] if node.level else ""
            module = f"{package}.{node.module or ''}".strip(".")
            found |= {module, *(f"{module}.{alias.name}" for alias in node.names)}
    return found


@pytest.mark.parametrize("path", PROTOCOL, ids=lambda path: path.stem)
def test_the_protocol_package_is_pure(path: Path) -> None:
    tops = {name.partition(".")[0] for name in imports(path)}
    assert not tops & IMPURE
    assert tops <= set(sys.stdlib_module_names) | {
        "chatroom_protocol",
        "attrs",
        *OUTSIDE.get(path.stem, set()),
    }


@pytest.mark.parametrize("path", PROTOCOL, ids=lambda path: path.stem)
def test_arrows_point_one_way(path: Path) -> None:
    used = {name.split(".")[1] for name in imports(path) if name.startswith("chatroom_protocol.")}
    if path.stem in ARROWS:
        assert used <= set(ARROWS[: ARROWS.index(path.stem)])
    else:
        assert path.stem in OUTSIDE, "a new module needs a place among the arrows"
        assert "strategies" not in used


def packages(*folder: str) -> set[str]:
    files = list(ROOT.joinpath(*folder).rglob("*.py"))
    assert files
    return {name.partition(".")[0] for path in files for name in imports(path)}


def test_the_protocol_knows_nothing_of_who_uses_it() -> None:
    used = packages("chatroom_protocol")
    assert not used & {"chatroom_reference", "chatroom_conformance", "tests"}


def test_the_suite_and_the_reference_know_nothing_of_each_other() -> None:
    assert "chatroom_reference" not in packages("conformance", "chatroom_conformance")
    assert "chatroom_conformance" not in packages("reference", "chatroom_reference")


def test_the_suite_reads_with_a_reader_of_its_own() -> None:
    """Its self-test may use the decoder: that plays the servers which the suite is to judge."""
    for path in (ROOT / "conformance" / "chatroom_conformance").rglob("*.py"):
        if "selftest" in path.parts:
            continue
        assert "chatroom_protocol.framing" not in imports(path), path
        assert "chatroom_protocol.Decoder" not in imports(path), path


def test_importing_the_package_brings_in_no_test_tools() -> None:
    code = "import sys, chatroom_protocol; print('hypothesis' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
