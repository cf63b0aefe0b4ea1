"""The wheel in a clean environment: data ships, four names and no more, and the command works from anywhere."""

import json
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = {"codesign", "cost_models", "search_spaces", "dashboard"}
DATA = (".yaml", ".css", ".js", ".gz", ".xz", ".json", ".npz", ".typed", ".csv")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout, built without a network by the build backend that is installed."""
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = out.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def command(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The console script in a fresh environment that finds the dependencies of this one, but not this checkout."""
    place = tmp_path_factory.mktemp("clean")
    venv.create(place, with_pip=False, symlinks=True)
    python = place / "bin" / "python"
    packages = place / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    install = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(python),
        "install",
        "--no-deps",
        "--no-index",
        str(wheel),
    ]
    done = subprocess.run(install, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    # a plain line of a .pth file adds the folder at the end, and reads no .pth files in it: an editable install of
    # this checkout there is not seen
    (packages / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n", encoding="utf-8")
    return place / "bin" / "codesign"


def test_four_names_and_no_more(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == PACKAGES


def test_all_data_ships(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    tracked = subprocess.run(
        ["git", "ls-files", *sorted(PACKAGES)], capture_output=True, text=True, cwd=ROOT
    ).stdout
    if not tracked:
        pytest.skip("not a git checkout: nothing says which files belong to it")
    assert {path for path in tracked.splitlines() if (ROOT / path).exists()} <= names
    assert any(name.endswith("page.css") for name in names)
    assert sum(name.startswith("cost_models/catalogue/") and name.endswith(".yaml") for name in names) >= 8


def test_the_command_works_from_another_folder(command: Path, tmp_path: Path) -> None:
    def run(*arguments: str) -> str:
        done = subprocess.run(
            [command, *arguments], capture_output=True, text=True, cwd=tmp_path, env={"PATH": "/usr/bin:/bin"}
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert run("--version") == "codesign 0.1.0\n"
    assert [space["name"] for space in json.loads(run("spaces", "--json"))]
    (tmp_path / "design.yaml").write_text("model: {preset: engram-27b}\nserving: {tensor_parallel: 8}\n")
    assert run("export", "design.yaml", "--out", "plan").startswith("design.yaml written to plan")
    first, again = json.loads(run("evaluate", "design.yaml", "plan/design.yaml", "--json"))
    assert first == again
    where = "import codesign, cost_models; print(codesign.__file__, cost_models.__file__)"
    done = subprocess.run(
        [command.with_name("python"), "-c", where], capture_output=True, text=True, cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert str(ROOT) not in done.stdout
