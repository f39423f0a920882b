"""Opening a database, its transactions, and what is said when it cannot be used."""

import sqlite3
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, make_url, text
from sqlalchemy.exc import DataError, DBAPIError
from sqlalchemy.pool import StaticPool

from ganchu_workflow.errors import DatabaseFault
from ganchu_workflow.store.database import connect, database_fault, migrate, read, require_schema, write
from ganchu_workflow.store.migrations import VERSION_TABLE
from ganchu_workflow.store.own import transaction


def raw_begin_immediate(path: str) -> str:
    """What another program is told when it wants to write now."""
    connection = sqlite3.connect(path, timeout=0, isolation_level=None)
    try:
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        return str(error)
    else:
        return "begun"
    finally:
        connection.close()


def path_of(engine: Engine) -> str:
    assert engine.url.database is not None
    return engine.url.database


def test_a_plain_postgresql_url_means_psycopg_3() -> None:
    for plain in ("postgresql://u:p@db.example/x", "postgres://u:p@db.example/x"):
        engine = connect(plain)
        assert engine.url.render_as_string(hide_password=False) == "postgresql+psycopg://u:p@db.example/x"
        assert engine.driver == "psycopg"


@pytest.mark.parametrize("kind", ["mysql", "mariadb"])
def test_a_plain_mysql_url_means_pymysql_and_all_of_unicode(kind: str) -> None:
    engine = connect(f"{kind}://u:p@db.example/x?charset=latin1")
    assert engine.url.render_as_string(hide_password=False) == f"{kind}+pymysql://u:p@db.example/x?charset=utf8mb4"
    assert (engine.dialect.name, engine.driver) == (kind, "pymysql")


@pytest.mark.parametrize("kind", ["mysql", "mariadb"])
def test_a_mysql_url_must_name_the_database(kind: str) -> None:
    with pytest.raises(DatabaseFault) as caught:
        connect(f"{kind}://u:secret@db.example")
    assert caught.value.message == f"name the database at the end of the address: {kind}+pymysql://user@host/name"


@pytest.fixture(params=["mysql", "mariadb"])
def mariadb_engine(request: pytest.FixtureRequest, mariadb_url: str) -> Iterator[Engine]:
    """Our Engine on MariaDB, by either name."""
    engine = connect(make_url(mariadb_url).set(drivername=request.param))
    yield engine
    engine.dispose()


def test_mariadb_is_set_up_for_a_record(mariadb_engine: Engine) -> None:
    with read(mariadb_engine) as connection:
        found = connection.exec_driver_sql(
            "SELECT @@SESSION.sql_mode, @@SESSION.tx_isolation, @@character_set_client, @@SESSION.wait_timeout"
        ).one()
        engines = connection.exec_driver_sql(
            "SELECT DISTINCT engine FROM information_schema.tables WHERE table_schema = DATABASE()"
            f" AND table_name <> '{VERSION_TABLE}'"
        ).all()
    assert tuple(found) == (
        "STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION",
        "READ-COMMITTED",
        "utf8mb4",
        28800,
    )
    assert engines == [("InnoDB",)]


def test_mariadb_refuses_what_is_too_long(mariadb_engine: Engine) -> None:
    with pytest.raises(DataError), write(mariadb_engine) as connection:
        connection.exec_driver_sql(f"INSERT INTO ganchu_party VALUES ('c', '{'r' * 31}', 's')")


COUNT = "SELECT count(*) FROM ganchu_member"
Ours = Callable[..., AbstractContextManager[Callable[[], Any]]]


@contextmanager
def _at_sqlalchemy(engine: Engine, *, writes: bool) -> Iterator[Callable[[], Any]]:
    with (write if writes else read)(engine) as connection:
        yield lambda: connection.exec_driver_sql(COUNT).scalar()


@contextmanager
def _at_the_driver(engine: Engine, *, writes: bool) -> Iterator[Callable[[], Any]]:
    with transaction(engine, writes=writes) as link:
        yield lambda: link.driver.execute(COUNT, ())[0][0][0]


def _one_more(engine: Engine) -> None:
    with write(engine) as connection:
        connection.exec_driver_sql("INSERT INTO ganchu_member VALUES ('c', left(uuid(), 26), 1, 1)")


@pytest.mark.parametrize("writes", [False, True])
@pytest.mark.parametrize("ours", [_at_sqlalchemy, _at_the_driver])
@pytest.mark.parametrize("options", [{}, {"isolation_level": "SERIALIZABLE"}], ids=["default", "serializable"])
def test_our_transactions_on_a_host_s_engine_on_mariadb_read_what_others_have_committed(
    mariadb_url: str, options: dict[str, Any], ours: Ours, writes: bool
) -> None:
    host, other = create_engine(mariadb_url, pool_size=1, max_overflow=0, **options), connect(mariadb_url)
    for found in (0, 1):  # the second on the connection of the first
        with ours(connect(host), writes=writes) as count:
            assert count() == found
            _one_more(other)
            assert count() == found + 1
    other.dispose()
    host.dispose()


@pytest.mark.parametrize("database_url", ["postgresql", "mariadb"], indirect=True)
@pytest.mark.parametrize("writes", [False, True])
def test_a_host_s_engine_that_commits_each_statement_carries_no_transaction_of_ours(
    database_url: str, writes: bool
) -> None:
    host = create_engine(database_url, isolation_level="AUTOCOMMIT")

    with pytest.raises(DatabaseFault) as caught, transaction(host, writes=writes):
        pass

    host.dispose()
    assert caught.value.fields["reason"] == "no_transaction"


@pytest.mark.parametrize("ours", [_at_sqlalchemy, _at_the_driver])
def test_a_host_s_own_transactions_on_mariadb_stay_isolated_as_it_chose(mariadb_url: str, ours: Ours) -> None:
    host, other = create_engine(mariadb_url, pool_size=1, max_overflow=0), connect(mariadb_url)
    with ours(connect(host), writes=True) as count:
        assert count() == 0
    with host.connect() as connection:
        assert connection.exec_driver_sql(COUNT).scalar() == 0
        _one_more(other)
        assert connection.exec_driver_sql(COUNT).scalar() == 0
    other.dispose()
    host.dispose()


def test_a_host_s_engine_on_mariadb_that_would_cut_text_is_refused(mariadb_url: str) -> None:
    host = create_engine(mariadb_url, connect_args={"sql_mode": "NO_ENGINE_SUBSTITUTION"})
    for act in (require_schema, migrate):
        with pytest.raises(DatabaseFault) as caught:
            act(host)
        assert (caught.value.fields["reason"], caught.value.fields["sql_mode"]) == (
            "lenient_sql_mode",
            "NO_ENGINE_SUBSTITUTION",
        )
        assert "put STRICT_TRANS_TABLES into the sql_mode" in caught.value.message
    host.dispose()


def test_a_row_locked_on_mariadb_is_said_to_be_locked(mariadb_url: str) -> None:
    engine = connect(mariadb_url)
    with write(engine) as connection:
        connection.exec_driver_sql("INSERT INTO ganchu_member VALUES ('c', 'a', 1, 1)")
    with write(engine) as holder:
        holder.exec_driver_sql("UPDATE ganchu_member SET visit = 2")
        with pytest.raises(DBAPIError) as caught, write(engine) as other:
            other.exec_driver_sql("SET SESSION innodb_lock_wait_timeout = 0")
            other.exec_driver_sql("UPDATE ganchu_member SET visit = 3")
        assert database_fault(engine, caught.value).fields["reason"] == "locked"
    engine.dispose()


def test_a_read_only_transaction_on_mariadb_is_said_to_be_read_only(mariadb_url: str) -> None:
    engine = connect(mariadb_url)
    with pytest.raises(DBAPIError) as caught, write(engine) as connection:
        connection.exec_driver_sql("SET TRANSACTION READ ONLY")
        connection.exec_driver_sql("INSERT INTO ganchu_member VALUES ('c', 'a', 1, 1)")
    assert database_fault(engine, caught.value).fields["reason"] == "read_only"
    engine.dispose()


@pytest.mark.parametrize(
    ("replaced", "said"),
    [
        ({"database": "no_such_database"}, "Unknown database 'no_such_database'"),
        ({"username": "nobody", "password": "s3cret"}, "Access denied for user 'nobody'"),
    ],
)
def test_what_mariadb_does_not_let_us_into_is_said_without_the_password(
    mariadb_url: str, replaced: dict[str, str], said: str
) -> None:
    engine = connect(make_url(mariadb_url).set(**replaced))  # type: ignore[arg-type]
    with pytest.raises(DatabaseFault) as caught:
        require_schema(engine)
    assert caught.value.fields["reason"] == "unusable"
    assert said in caught.value.message
    assert "s3cret" not in caught.value.message


def test_an_engine_is_given_back_as_it_is(database_url: str) -> None:
    engine = create_engine(database_url)
    assert connect(engine) is engine
    require_schema(engine)
    engine.dispose()


def test_sqlite_is_set_up_for_a_record(sqlite_url: str) -> None:
    engine = connect(sqlite_url)
    with read(engine) as connection:
        found = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "busy_timeout", "synchronous", "foreign_keys")
        ]
    assert found == ["wal", 5000, 2, 1]
    engine.dispose()


@pytest.mark.parametrize("host_made", [False, True])
def test_a_writer_on_sqlite_has_the_lock_from_the_start(sqlite_url: str, host_made: bool) -> None:
    engine = connect(create_engine(sqlite_url) if host_made else sqlite_url)
    with write(engine):
        assert raw_begin_immediate(path_of(engine)) == "database is locked"
    assert raw_begin_immediate(path_of(engine)) == "begun"
    with read(engine) as connection:
        connection.exec_driver_sql("SELECT count(*) FROM ganchu_case").scalar()
        assert raw_begin_immediate(path_of(engine)) == "begun"
    engine.dispose()


def test_a_new_file_is_opened_by_many_at_once(tmp_path: Path) -> None:
    def opened(number: int) -> str:
        engine = connect(f"sqlite:///{tmp_path}/{number // 8}.db")
        with read(engine) as connection:
            mode = connection.exec_driver_sql("PRAGMA journal_mode").scalar_one()
        engine.dispose()
        return str(mode)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(opened, range(160))) == ["wal"] * 160


def test_a_reader_sees_one_state_of_the_database(sqlite_url: str) -> None:
    engine = connect(sqlite_url)
    count = "SELECT count(*) FROM ganchu_member"
    with read(engine) as reader:
        assert reader.exec_driver_sql(count).scalar() == 0
        with write(engine) as writer:
            writer.exec_driver_sql("INSERT INTO ganchu_member VALUES ('c', 'a', 1, 1)")
        assert reader.exec_driver_sql(count).scalar() == 0
    with read(engine) as reader:
        assert reader.exec_driver_sql(count).scalar() == 1
    engine.dispose()


def test_threads_that_read_and_then_write_wait_for_each_other(sqlite_url: str) -> None:
    engine = connect(sqlite_url)
    with write(engine) as connection:
        connection.exec_driver_sql("INSERT INTO ganchu_member VALUES ('c', 'a', 0, 1)")

    def add_one(_: int) -> None:
        with write(engine) as connection:
            visit = connection.exec_driver_sql("SELECT visit FROM ganchu_member").scalar_one()
            connection.execute(text("UPDATE ganchu_member SET visit = :visit"), {"visit": visit + 1})

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add_one, range(160)))
    with read(engine) as connection:
        assert connection.exec_driver_sql("SELECT visit FROM ganchu_member").scalar_one() == 160
    engine.dispose()


def test_a_block_that_raises_leaves_nothing(engine: Engine) -> None:
    with pytest.raises(KeyError), write(engine) as connection:
        connection.exec_driver_sql("INSERT INTO ganchu_member VALUES ('c', 'a', 1, 1)")
        raise KeyError
    with read(engine) as connection:
        connection.exec_driver_sql("INSERT INTO ganchu_member VALUES ('c', 'a', 1, 1)")
    with read(engine) as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM ganchu_member").scalar() == 0


def test_a_locked_file_is_said_to_be_locked(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ganchu_workflow.store.database.BUSY_MS", 20)
    engine = connect(sqlite_url)
    other = sqlite3.connect(path_of(engine), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    for act in (migrate, lambda engine: write(engine).__enter__()):
        with pytest.raises(DatabaseFault) as caught:
            act(engine)
        assert caught.value.fields["reason"] == "locked"
    other.execute("ROLLBACK")
    other.close()
    with write(engine) as connection:
        connection.exec_driver_sql("INSERT INTO ganchu_member VALUES ('c', 'a', 1, 1)")
    assert engine.pool.status().endswith("Current Checked out connections: 0")
    engine.dispose()


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.db").write_text("not a database, and long enough to have a header " * 20)
    with pytest.raises(DatabaseFault) as caught:
        require_schema(connect(f"sqlite:///{tmp_path / 'notes.db'}"))
    assert caught.value.fields["reason"] == "unusable"
    assert "file is not a database" in caught.value.message


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    for target in (f"sqlite:///{tmp_path}/gone/round.db", create_engine(f"sqlite:///{tmp_path}/gone/round.db")):
        with pytest.raises(DatabaseFault) as caught:
            connect(target)
        assert caught.value.fields == {"folder": f"{tmp_path}/gone"}
        assert f"'{tmp_path}/gone'" in caught.value.message


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "sqlite:///file:x?mode=memory&uri=true"])
def test_a_database_in_memory_is_refused(url: str) -> None:
    for target in (url, create_engine(url, poolclass=StaticPool)):
        with pytest.raises(DatabaseFault) as caught:
            connect(target)
        assert "use a file: sqlite:///round.db" in caught.value.message


@pytest.mark.parametrize("url", ["", "round.db", "secret@", "postgresql+psycopg//u:secret@h/x"])
def test_what_is_no_url_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(DatabaseFault) as caught:
        connect(url)
    assert caught.value.message == (
        "this is not a database URL; it looks like sqlite:///round.db or postgresql+psycopg://user@host/name"
    )


@pytest.mark.parametrize("name", ["access", "postgresql+telepathy"])
def test_an_unknown_database_is_named(name: str) -> None:
    with pytest.raises(DatabaseFault) as caught:
        connect(f"{name}://u:secret@h/x")
    assert caught.value.fields == {"drivername": name}
    assert "secret" not in caught.value.message


@pytest.mark.parametrize(
    ("module", "url", "todo"),
    [
        ("psycopg", "postgresql://u:secret@h/x", "pip install '.[postgres]')"),
        (
            "pymysql",
            "mysql://u:secret@h/x",
            "pip install '.[mysql]')",
        ),
        ("pymysql", "mariadb+pymysql://u:secret@h/x", "pip install '.[mysql]')"),
        (
            "oracledb",
            "oracle+oracledb://u:secret@h/x",
            "or mariadb+pymysql",
        ),
    ],
)
def test_a_missing_driver_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, module: str, url: str, todo: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)  # Python's own way to say: not installed
    with pytest.raises(DatabaseFault) as caught:
        connect(url)
    assert caught.value.fields["module"] == module
    assert caught.value.message.endswith(todo)
    assert "secret" not in caught.value.message


def test_an_asynchronous_driver_is_refused() -> None:
    with pytest.raises(DatabaseFault) as caught:
        connect("postgresql+psycopg_async://u@h/x")
    assert "asynchronous" in caught.value.message


@pytest.mark.parametrize("kind", ["postgresql", "mysql", "mariadb"])
def test_a_server_that_is_not_there_is_named_without_the_password(kind: str) -> None:
    option = "application_name" if kind == "postgresql" else "program_name"
    engine = connect(f"{kind}://clerk:secret@127.0.0.1:1/round?{option}=secret")
    for act in (require_schema, migrate):
        with pytest.raises(DatabaseFault) as caught:
            act(engine)
        assert caught.value.fields == {"reason": "unusable", "database": f"{kind}://127.0.0.1:1/round"}
        assert f"{kind}://127.0.0.1:1/round cannot be used" in caught.value.message
        assert "secret" not in caught.value.message
