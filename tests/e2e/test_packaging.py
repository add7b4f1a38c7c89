"""Both packages build, carry what they need, install alone in an empty environment, and run there."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UV = Path(sys.executable).parent / "uv"
PACKAGES = {"tap-keap": "tap_keap", "target-chartmogul": "target_chartmogul"}


def built(package: str, into: Path) -> tuple[Path, Path]:
    """Wheel and sdist."""
    made = subprocess.run(
        [UV, "build", "--no-build-isolation", "--python", sys.executable, "--out-dir", into, ROOT / package],
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    (wheel,), (sdist,) = into.glob("*.whl"), into.glob("*.tar.gz")
    return wheel, sdist


@pytest.mark.parametrize("package", PACKAGES)
def test_wheel_and_sdist_are_complete(package: str, tmp_path: Path) -> None:
    wheel, sdist = built(package, tmp_path)
    module = PACKAGES[package]
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (metadata_name,) = (name for name in names if name.endswith("METADATA"))
        metadata = Parser().parsestr(archive.read(metadata_name).decode())
    assert f"{module}/py.typed" in names
    assert not any(name.split("/")[0] not in {module, metadata_name.split("/")[0]} for name in names)
    for path in (ROOT / package / module).rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            assert path.relative_to(ROOT / package).as_posix() in names
    assert metadata["Name"] == package
    assert metadata["License-Expression"] == "MIT"
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert "Typing :: Typed" in metadata.get_all("Classifier")
    required = {
        line.split(";")[0].split("[")[0].split("~")[0].split(">")[0] for line in metadata.get_all("Requires-Dist")
    }
    assert "python-backoff" in required
    assert "backoff" not in required
    with tarfile.open(sdist) as archive:
        assert any(name.endswith(f"{module}/__init__.py") for name in archive.getnames())


@pytest.mark.long
@pytest.mark.parametrize("package", PACKAGES)
def test_it_runs_in_an_empty_environment(package: str, tmp_path: Path) -> None:
    wheel, _ = built(package, tmp_path)
    place = tmp_path / "venv"
    subprocess.run([UV, "venv", "--quiet", "--python", sys.executable, place], check=True)
    subprocess.run([UV, "pip", "install", "--quiet", "--python", place / "bin" / "python", wheel], check=True)
    for arguments in (["--version"], ["--about", "--format=json"]):
        done = subprocess.run([place / "bin" / package, *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert package in done.stdout
