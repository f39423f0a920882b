"""The SQL of a transition stands in one module, and it and the tables that a migration makes agree."""

import ast
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Delete, Engine, Insert, Update, inspect

from ganchu_workflow.engine import sql
from ganchu_workflow.store.database import read
from ganchu_workflow.store.own import transaction
from ganchu_workflow.store.statements import IDS, Statement
from ganchu_workflow.store.tables import METADATA

STATEMENTS = {name: found for name, found in vars(sql).items() if isinstance(found, Statement)}
STATEMENTS |= {f"LOCKED[{writes}]": found for writes, found in sql.LOCKED.items()}


@pytest.mark.parametrize("name", STATEMENTS)
def test_the_database_carries_a_statement_out(engine: Engine, name: str) -> None:
    """On tables that a migration has made, with each of its parameters; nothing is there, so nothing is found."""
    statement = STATEMENTS[name]
    core: Any = statement.core
    names = [bind.key for bind in core.compile().binds.values() if bind.required]
    given = {key: ["none"] if key == IDS else 1 if key == "most" else None for key in names}

    with transaction(engine, writes=True) as link:
        found = link.execute(statement, given)

    assert (list(found), found.rowcount if isinstance(core, Update | Delete) else 0) == ([], 0)


@pytest.mark.parametrize("table", METADATA.tables)
def test_an_insert_fills_every_column_that_there_is(engine: Engine, table: str) -> None:
    core: Any = sql.INSERTS[table].core
    with read(engine) as connection:
        columns = [column["name"] for column in inspect(connection).get_columns(table)]

    assert isinstance(core, Insert)
    assert list(core.compile(dialect=engine.dialect).params) == columns


def test_no_other_module_of_the_engine_writes_a_case() -> None:
    folder = Path(sql.__file__).parent
    writing = {path.name for path in folder.glob("*.py") if {"insert", "update", "delete"} & imported(path)}

    assert writing == {"sql.py", "attempts.py", "inbox.py", "outbox.py"}


def imported(path: Path) -> set[str]:
    """What a module takes from SQLAlchemy."""
    tree = ast.parse(path.read_text("utf-8"))
    froms = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module == "sqlalchemy"]
    return {alias.name for node in froms for alias in node.names}
