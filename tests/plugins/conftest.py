"""The example distribution, installed for real: once in a session, in a folder of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.plugins.installing import SITE_INSPECTION, install, on_path


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which `ganchu-site-inspection` is installed."""
    site = tmp_path_factory.mktemp("installed") / "site"
    install(SITE_INSPECTION, site)
    return site


@pytest.fixture
def on_the_path(installed: Path) -> Iterator[Path]:
    """The same folder, on the path of this process for one test."""
    with on_path(installed) as site:
        yield site
