"""What is installed from a wheel works by itself, far from the checkout."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=60)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment that has the wheel, attrs, and nothing else."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    where = run(python, folder, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))")
    site = Path(where.stdout.strip())
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    for package in ("attr", "attrs"):
        shutil.copytree(Path(sysconfig.get_path("purelib")) / package, site / package)
    return python


def run(python: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(python), "-I", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_wheel_holds_the_packages_their_types_and_the_specification(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for package in ("chatroom_protocol", "chatroom_reference", "chatroom_conformance"):
        assert f"{package}/py.typed" in names
    carried = {name.removeprefix("chatroom_conformance/") for name in names}
    spec = {str(path.relative_to(ROOT)) for path in (ROOT / "spec").rglob("*.json")}
    assert spec <= carried
    assert "spec/requirements.json" in spec


def test_the_protocol_package_needs_attrs_alone(python: Path, tmp_path: Path) -> None:
    code = "import chatroom_protocol; print(chatroom_protocol.DEFAULT_PORT)"
    result = run(python, tmp_path, "-c", code)
    assert (result.returncode, result.stdout, result.stderr) == (0, "1134\n", "")


def test_the_suite_judges_the_reference_server(python: Path, tmp_path: Path) -> None:
    result = run(python, tmp_path, "-m", "chatroom_conformance", "--reference", "--jobs", "2")
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.rstrip().splitlines()[-1].startswith("CONFORMANT")


def test_the_client_says_what_it_wants(python: Path, tmp_path: Path) -> None:
    result = run(python, tmp_path, "-m", "chatroom_reference.client", "--help")
    assert result.returncode == 0
    assert "username" in result.stdout.lower()
