"""What goes into a column comes out of it, and no name is too long for any database."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from sqlalchemy import Engine, inspect, select
from sqlmodel import Session, SQLModel
from sqlmodel import select as select_rows

from ganchu_workflow.errors import Invalid
from ganchu_workflow.store import mariadb, triggers
from ganchu_workflow.store.database import read, write
from ganchu_workflow.store.migrations import VERSION_TABLE
from ganchu_workflow.store.tables import METADATA, CalendarRow, FactRow, Row

MODELS = {str(model.__tablename__): model for model in Row.__subclasses__()}
SHANGHAI = timezone(timedelta(hours=8))
INSTANTS = [
    datetime(2021, 9, 3, 17, 30, 0, 1, tzinfo=SHANGHAI),
    datetime(2021, 9, 3, 17, 30, tzinfo=SHANGHAI),
    datetime(1970, 1, 1, tzinfo=UTC),
    datetime(1949, 10, 1, 15, 0, 0, 999_999, tzinfo=SHANGHAI),
    datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
]


def test_a_row_of_every_table_comes_back_as_it_was(engine: Engine, rows: dict[str, dict[str, Any]]) -> None:
    assert sorted(MODELS) == sorted(METADATA.tables) == sorted(rows)
    with Session(engine) as session, session.begin():
        session.add_all(MODELS[name](**values) for name, values in rows.items())
    with Session(engine) as session:
        found = {name: session.exec(select_rows(model)).one().model_dump() for name, model in MODELS.items()}
    assert found == rows


@pytest.mark.parametrize("instant", INSTANTS)
def test_an_instant_is_kept_to_the_microsecond(engine: Engine, instant: datetime) -> None:
    with Session(engine) as session, session.begin():
        session.add(CalendarRow(version="1", body="{}", recorded_at=instant))
    with Session(engine) as session:
        found = session.get_one(CalendarRow, "1").recorded_at
        assert (found, found.utcoffset()) == (instant, timedelta(0))
        assert session.exec(select_rows(CalendarRow.version).where(CalendarRow.recorded_at == instant)).all() == ["1"]


def test_instants_sort_as_time_does(engine: Engine) -> None:
    with Session(engine) as session, session.begin():
        session.add_all(CalendarRow(version=str(n), body="{}", recorded_at=at) for n, at in enumerate(INSTANTS))
    with read(engine) as connection:
        column = METADATA.tables["ganchu_calendar_version"].c.recorded_at
        assert list(connection.execute(select(column).order_by(column)).scalars()) == sorted(INSTANTS)


def test_a_naive_datetime_is_refused(engine: Engine) -> None:
    table = METADATA.tables["ganchu_calendar_version"]
    with pytest.raises(Invalid) as caught, write(engine) as connection:
        connection.execute(table.insert().values(version="1", body="{}", recorded_at=datetime(2021, 9, 3)))
    assert caught.value.message == "the datetime 2021-09-03T00:00:00 has no time zone; give one, for example +08:00"
    with read(engine) as connection:
        assert connection.execute(select(table)).all() == []


def test_names_sort_by_code_point_and_tell_case_apart(engine: Engine) -> None:
    values = ["a", "B", "b", "A", "_", "-", "é", "e", "z", "中", "Z", "省"]
    with Session(engine) as session, session.begin():
        session.add_all(FactRow(case_id=f"{n:026}", name="x", value=value) for n, value in enumerate(values))
    with read(engine) as connection:
        column = METADATA.tables["ganchu_fact_index"].c.value
        assert list(connection.execute(select(column).order_by(column)).scalars()) == sorted(values)
        assert list(connection.execute(select(column).where(column == "A")).scalars()) == ["A"]


def test_a_blank_at_the_end_makes_another_name(engine: Engine) -> None:
    values = ["a", "a ", "a\t", "a  "]
    with Session(engine) as session, session.begin():
        session.add_all(CalendarRow(version=value, body="{}", recorded_at=INSTANTS[0]) for value in values)
    with read(engine) as connection:
        column = METADATA.tables["ganchu_calendar_version"].c.version
        assert list(connection.execute(select(column).order_by(column)).scalars()) == sorted(values)
        assert list(connection.execute(select(column).where(column == "a ")).scalars()) == ["a "]


def test_a_document_is_kept_to_the_byte_however_long(engine: Engine) -> None:
    body = '"𠮷省\U0001f600\\' + "中" * 100_000 + ' "'
    with Session(engine) as session, session.begin():
        session.add(CalendarRow(version="1", body=body, recorded_at=INSTANTS[0]))
    with Session(engine) as session:
        assert session.get_one(CalendarRow, "1").body == body


def test_every_name_has_at_most_30_characters_and_our_prefix(engine: Engine) -> None:
    owned: set[str] = {VERSION_TABLE, "ganchu_append_only", *triggers.expected(engine.dialect.name)}
    columns: set[str] = set()
    with read(engine) as connection:
        inspector = inspect(connection)
        for table in inspector.get_table_names():
            owned |= {table} | {str(index["name"]) for index in inspector.get_indexes(table)}
            owned |= {str(unique["name"]) for unique in inspector.get_unique_constraints(table)}
            if engine.dialect.name not in mariadb.DIALECTS:  # there every primary key is called PRIMARY
                owned.add(str(inspector.get_pk_constraint(table)["name"]).removeprefix("pk_"))
            columns |= {str(column["name"]) for column in inspector.get_columns(table)}
    longest = {f"pk_{name}" for name in METADATA.tables} | owned | columns
    assert [name for name in longest if len(name) > 30] == []
    assert [name for name in owned if not name.startswith("ganchu_")] == []


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS.keys())
def test_nothing_has_a_default_but_absence(model: type[SQLModel]) -> None:
    table = METADATA.tables[str(model.__tablename__)]
    assert [c.name for c in table.columns if c.default is not None or c.server_default is not None] == []
    with_default = {name for name, field in model.model_fields.items() if not field.is_required()}
    assert with_default == {column.name for column in table.columns if column.nullable}
    assert {model.model_fields[name].default for name in with_default} <= {None}
