"""The README says what is so."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import entry_points, version
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("README.md", "CONTRIBUTING.md", "conformance/README.md", "chatroom_protocol/README.md")
README = (ROOT / "README.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
PROGRAMS = {
    entry.name: entry.value.partition(":")[0]
    for entry in entry_points(group="console_scripts")
    if entry.name.startswith("chatroom-")
}


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, timeout=30, check=False
    )


def main(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    code = f"import sys; from {module} import main; sys.exit(main())"
    return run("-c", code, *arguments)


def test_every_program_named_is_installed() -> None:
    named = set(re.findall(r"\bchatroom-(?:ref-server|ref-client|conformance)\b", README))
    assert named == set(PROGRAMS)


@pytest.mark.parametrize("page", PAGES)
def test_every_make_target_named_exists(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"\bmake ([a-z]+)\b(?=`|\s+#|$)", text, re.MULTILINE):
        assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE), target


@pytest.mark.parametrize("page", PAGES)
def test_every_file_linked_to_exists(page: str) -> None:
    path = ROOT / page
    for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8")):
        assert (path.parent / link).exists(), link


def test_every_option_named_is_in_that_programs_help() -> None:
    for line in README.splitlines():
        for program, module in PROGRAMS.items():
            # What stands in quotes is another program's command.
            own = re.sub(r"'[^']*'", "", line.partition(program)[2])
            options = re.findall(r"--[a-z-]+", own)
            if options:
                shown = main(module, "--help").stdout
                assert set(options) <= set(re.findall(r"--[a-z-]+", shown)), line


def test_the_python_example_runs() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    result = run("-W", "error", "-c", code)
    assert result.returncode == 0, result.stderr
    assert "JoinResponse(is_connected=True" in result.stdout


@pytest.mark.parametrize("program", sorted(PROGRAMS))
def test_every_program_tells_the_one_version(program: str) -> None:
    result = main(PROGRAMS[program], "--version")
    assert result.returncode == 0
    assert version("chatroom") in result.stdout


def test_the_changelog_tells_of_this_version() -> None:
    released = version("chatroom").partition(".dev")[0]
    assert re.search(rf"^## {re.escape(released)}\b", (ROOT / "CHANGELOG.md").read_text(), re.M)


def test_every_folder_in_the_table_exists() -> None:
    for folder in re.findall(r"^\| `([a-z_]+/)` \|", README, re.MULTILINE):
        assert (ROOT / folder).is_dir(), folder


def test_every_dependency_has_a_line_of_reason() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    lines = text[text.index("dependencies") : text.index("[project.scripts]")].splitlines()
    for above, line in pairwise(lines):
        names_one = re.match(r'\s*"(?!chatroom)[a-z-]+>=', line) or re.search(r'= \["', line)
        assert not names_one or "#" in line or above.strip().startswith("#"), line
