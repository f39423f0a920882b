"""The tables and the fixed statements, compiled for openGauss and 达梦 by their vendors' dialects; none is run.

`.ci/vendors` runs this, in an environment of its own: the dialects do not work with the SQLAlchemy of the others. What
is expected is the text for PostgreSQL, on which the other tests run, but for what is named here.
"""

import gc
import pkgutil
import re
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import import_module
from typing import Any, NamedTuple

import pytest
from sqlalchemy import BigInteger, Dialect, Integer, String, Text
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql.psycopg2 import PGDialect_psycopg2
from sqlalchemy.schema import CreateIndex, CreateTable
from sqlalchemy.sql.expression import Insert, Select

from ganchu_workflow import engine
from ganchu_workflow.clock import to_micros
from ganchu_workflow.errors import DatabaseFault
from ganchu_workflow.store import triggers
from ganchu_workflow.store.migrations import VERSION_TABLE
from ganchu_workflow.store.statements import CHUNK, Statement
from ganchu_workflow.store.tables import METADATA
from ganchu_workflow.store.types import Instant

for module in pkgutil.iter_modules(engine.__path__):
    import_module(f"{engine.__name__}.{module.name}")
# Some are kept in dictionaries: a search by name would miss them.
STATEMENTS = [found for found in gc.get_objects() if isinstance(found, Statement)]
NAMES = {VERSION_TABLE, *METADATA.tables} | {
    str(named.name)
    for table in METADATA.tables.values()
    for named in (*table.columns, *table.indexes, *table.constraints)
}


class Vendor(NamedTuple):
    """A dialect, PostgreSQL's own with the same form of parameters, and how the text differs."""

    dialect: Dialect
    reference: Dialect
    spelt: Callable[[str], str]
    quoted: set[str]
    """Our names that are words of this database's own."""


def opengauss() -> Vendor:
    # Its driver, a psycopg2 of its own, is not installed: a compilation needs none.
    dialect: Any = registry.load("opengauss")
    reference: Any = PGDialect_psycopg2
    return Vendor(dialect(), reference(), without_collation, set())


def dameng() -> Vendor:
    dialect: Any = registry.load("dm")
    driver = dialect.import_dbapi()
    reference: Any = PGDialect_psycopg2
    return Vendor(dialect(dbapi=driver), reference(paramstyle=driver.paramstyle), as_dameng, {"value", "size"})


def without_collation(text: str) -> str:
    return text.replace(' COLLATE "C"', "")


def as_dameng(text: str) -> str:
    text = re.sub(r"VARCHAR\((\d+)\)", r"VARCHAR2(\1 CHAR)", without_collation(text))
    text = re.sub(r"\b(value|size)\b", r'"\1"', text)
    # It has no lock for reading alone: there two acts that only read a case wait for each other.
    return text.replace("FOR SHARE", "FOR UPDATE").replace(" LIMIT ?", " FETCH FIRST ? ROWS ONLY")


@pytest.fixture(params=[opengauss, dameng], ids=["opengauss", "dameng"])
def vendor(request: pytest.FixtureRequest) -> Vendor:
    found: Vendor = request.param()
    return found


def ddl(dialect: Dialect) -> list[str]:
    made: list[Any] = []
    for table in METADATA.sorted_tables:
        made += [CreateTable(table), *map(CreateIndex, sorted(table.indexes, key=lambda index: str(index.name)))]
    return [" ".join(str(each.compile(dialect=dialect)).split()) for each in made]


def sent(dialect: Dialect, ids: int) -> list[str]:
    return [" ".join(each.spelt(dialect, ids if "ids" in _parameters(each) else 0).sql.split()) for each in STATEMENTS]


def _parameters(statement: Statement) -> set[str]:
    core: Any = statement.core
    return set(core.compile().binds)


def test_there_is_a_statement_for_every_table_and_not_only_those() -> None:
    inserted = {each.core.table.name for each in STATEMENTS if isinstance(each.core, Insert)}
    assert inserted == set(METADATA.tables)
    assert any(isinstance(each.core, Select) for each in STATEMENTS)


def test_the_tables_and_indexes_are_those_of_postgresql(vendor: Vendor) -> None:
    assert ddl(vendor.dialect) == [vendor.spelt(text) for text in ddl(vendor.reference)]


@pytest.mark.parametrize("ids", [1, 3, CHUNK])
def test_the_fixed_statements_are_those_of_postgresql(vendor: Vendor, ids: int) -> None:
    assert sent(vendor.dialect, ids) == [vendor.spelt(text) for text in sent(vendor.reference, ids)]


def test_a_column_is_text_or_a_whole_number() -> None:
    assert {type(column.type) for table in METADATA.tables.values() for column in table.columns} == {
        String,
        Text,
        Integer,
        BigInteger,
        Instant,
    }


def test_no_name_is_longer_than_thirty_bytes_and_each_is_plain(vendor: Vendor) -> None:
    named = NAMES | {name for kind in ("sqlite", "postgresql", "mariadb") for name in triggers.expected(kind)}
    assert [name for name in sorted(named) if not re.fullmatch(r"[a-z][a-z0-9_]{0,29}", name)] == []
    assert vendor.dialect.max_identifier_length >= 30


def test_a_word_of_the_database_s_own_is_quoted(vendor: Vendor) -> None:
    words = vendor.dialect.identifier_preparer.reserved_words
    assert NAMES & words == vendor.quoted
    text = "\n".join([*ddl(vendor.dialect), *sent(vendor.dialect, 2)])
    assert set(re.findall(r'"([^"]*)"', text)) == vendor.quoted


def test_an_instant_goes_in_and_comes_out_as_microseconds(vendor: Vendor) -> None:
    instant = datetime(2021, 9, 3, 9, 30, 0, 1, tzinfo=UTC)
    calendar = METADATA.tables["ganchu_calendar_version"]
    values = {"version": "1", "body": "{}", "recorded_at": instant}
    bound = Statement(calendar.insert()).spelt(vendor.dialect).bind(values)
    stored = list(bound.values()) if isinstance(bound, dict) else list(bound)
    assert stored == ["1", "{}", to_micros(instant)]
    row = Statement(calendar.select()).spelt(vendor.dialect).row
    assert row is not None
    assert row(stored)._asdict() == values


def test_no_trigger_is_written_so_no_migration_begins(vendor: Vendor) -> None:
    with pytest.raises(DatabaseFault) as caught:
        triggers.create_statements(vendor.dialect.name)
    assert caught.value.fields["dialect"] == vendor.dialect.name
