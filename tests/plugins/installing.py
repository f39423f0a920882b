"""Distributions of other people, put into a folder of the path as an installer would put them there."""

import importlib
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ganchu_workflow.plugins import STAGES

ROOT = Path(__file__).parents[2]
SITE_INSPECTION = ROOT / "examples" / "site_inspection"


def install(project: Path, site: Path) -> None:
    """Build the wheel of a project, offline, and unpack it into `site`: all that installing a pure one amounts to."""
    wheels = site.with_name(f"{site.name}-wheels")
    done = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(wheels), str(project)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    [wheel] = wheels.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)


def distribution(
    site: Path,
    name: str,
    module: str,
    code: str,
    points: Mapping[str, str],
    *,
    version: str = "1.2",
    group: str = STAGES,
) -> None:
    """A tiny distribution: a module, its metadata and its entry points. One of the same name is replaced."""
    info = site / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", "utf-8")
    lines = "".join(f"{point} = {value}\n" for point, value in points.items())
    (info / "entry_points.txt").write_text(f"[{group}]\n{lines}", "utf-8")
    (site / f"{module}.py").write_text(code, "utf-8")


@contextmanager
def on_path(site: Path) -> Iterator[Path]:
    """What is installed in `site`, on the path of this process for a while; nothing of it stays loaded."""
    sys.path.insert(0, str(site))
    importlib.invalidate_caches()
    try:
        yield site
    finally:
        sys.path.remove(str(site))
        for name, module in list(sys.modules.items()):
            if (getattr(module, "__file__", None) or "").startswith(str(site)):
                del sys.modules[name]
