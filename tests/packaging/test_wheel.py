"""What is shipped: three prefixed packages, complete, typed, found by their entry points."""

import configparser
import os
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = {
    "ganchu_workflow": ROOT / "ganchu_workflow",
    "ganchu_stages": ROOT / "stages" / "ganchu_stages",
    "ganchu_notifications": ROOT / "notifications" / "ganchu_notifications",
}
SHIPPED_BESIDE = {
    "ganchu_workflow": ("cli/demo/first_round", ROOT / "examples" / "first_round", "plan.toml", "inputs/*")
}
"""What a package holds that lies elsewhere in the checkout: where it goes, where it lies, which files."""
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


@pytest.fixture(name="built", scope="module")
def _built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that holds a source archive and the wheel that was built from it."""
    folder = tmp_path_factory.mktemp("dist")
    done = subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(name="wheel", scope="module")
def _wheel(built: Path) -> Path:
    (wheel,) = built.glob("*.whl")
    return wheel


def names_in(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def read_from(wheel: Path, name: str) -> str:
    with zipfile.ZipFile(wheel) as archive:
        return archive.read(name).decode("utf-8")


DIST_INFO = f"ganchu_workflow-{PROJECT['version']}.dist-info"


def test_top_level_is_the_three_packages_and_nothing_a_host_may_have(wheel: Path) -> None:
    assert {name.split("/")[0] for name in names_in(wheel)} == {*PACKAGES, DIST_INFO}


@pytest.mark.parametrize("package", PACKAGES)
def test_every_file_of_a_package_is_shipped(wheel: Path, package: str) -> None:
    folder = PACKAGES[package]
    on_disk = {
        f"{package}/{path.relative_to(folder).as_posix()}"
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    if package in SHIPPED_BESIDE:
        to, lies, *patterns = SHIPPED_BESIDE[package]
        beside = [path.relative_to(lies).as_posix() for pattern in patterns for path in lies.glob(pattern)]
        assert len(beside) > 10
        on_disk |= {f"{package}/{to}/{name}" for name in beside}

    assert {name for name in names_in(wheel) if name.startswith(f"{package}/")} == on_disk


@pytest.mark.parametrize("package", PACKAGES)
def test_package_says_that_it_is_typed(wheel: Path, package: str) -> None:
    assert f"{package}/py.typed" in names_in(wheel)


def test_licence_is_shipped(wheel: Path) -> None:
    assert read_from(wheel, f"{DIST_INFO}/licenses/LICENSE") == (ROOT / "LICENSE").read_text("utf-8")


def test_entry_points_are_the_command_the_test_kit_the_stages_and_the_channels(wheel: Path) -> None:
    parser = configparser.ConfigParser(delimiters=("=",))
    parser.read_string(read_from(wheel, f"{DIST_INFO}/entry_points.txt"))

    assert {group: sorted(parser[group]) for group in parser.sections()} == {
        "console_scripts": ["ganchu"],
        "pytest11": ["ganchu"],
        "ganchu_workflow.stages": [
            "announcement",
            "deliberation",
            "department_consultation",
            "expert_review",
            "local_recommendation",
            "public_notice",
            "qualification_check",
            "self_declaration",
        ],
        "ganchu_workflow.channels": ["eml", "inbox", "journal", "smtp"],
        "ganchu_workflow.dispatchers": ["default"],
    }


def test_entry_points_load_from_the_wheel_under_their_own_names(wheel: Path, tmp_path: Path) -> None:
    """Loaded from the unpacked wheel, not from the checkout: what the entry points name is really in it."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    script = (
        "import sys\n"
        "from importlib.metadata import distributions\n"
        "(own,) = distributions(path=[sys.argv[1]])\n"
        "for point in own.entry_points:\n"
        "    loaded = point.load()\n"
        "    module = sys.modules[getattr(loaded, '__module__', loaded.__name__)]\n"
        "    assert module.__file__.startswith(sys.argv[1]), module\n"
        "    named = point.group in ('ganchu_workflow.stages', 'ganchu_workflow.channels')\n"
        "    assert not named or loaded.name == point.name, (loaded.name, point.name)\n"
        "print(len(own.entry_points))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.stdout, done.stderr) == ("15\n", "")


def test_source_archive_holds_what_the_tests_need(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames()}

    wanted = {"pyproject.toml", "constraints.txt", "LICENSE", "README.md", "README.zh-CN.md", "CHANGELOG.md"}
    wanted |= {path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("*.py")}
    assert wanted - names == set()
