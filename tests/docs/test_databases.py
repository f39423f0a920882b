"""Every block of docs/databases.md is run on its server, and a round under the account it makes for the service."""

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest
from sqlalchemy import URL, Engine, create_engine, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from ganchu_workflow import Workflow
from ganchu_workflow.entropy import SystemEntropy
from ganchu_workflow.store.database import connect, migrate, write
from ganchu_workflow.store.triggers import expected
from ganchu_workflow.testing import RoundScript

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/databases.md").read_text("utf-8")
BLOCKS = re.findall(r"^```([^\n]*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


class Accounts(NamedTuple):
    """The two accounts of the page, under names of this test's own."""

    owner: URL
    app: URL


def run(admin: Engine, block: str, name: str) -> None:
    with admin.connect() as connection:
        for statement in re.sub(r"\bganchu(?=_owner|_app|\b)", name, block).split(";"):
            if statement.strip():
                connection.exec_driver_sql(statement)


@pytest.fixture(params=["postgresql", "mariadb"])
def accounts(request: pytest.FixtureRequest) -> Iterator[Accounts]:
    """What the page tells to do on this server was done, up to the migration and what follows it."""
    postgres = request.param == "postgresql"
    server = make_url(request.getfixturevalue("postgres_server" if postgres else "mariadb_server"))
    admin = create_engine(server, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    name = f"g{SystemEntropy().take(6).hex()}"
    (_, postgres_first), (_, postgres_then), (_, mariadb) = BLOCKS
    try:
        run(admin, postgres_first if postgres else mariadb, name)
        found = Accounts(
            *(
                server.set(username=f"{name}_{who}", password=f"the {word} password", database=name)
                for who, word in (("owner", "first"), ("app", "second"))
            )
        )
        owner = connect(found.owner)
        migrate(owner)
        if postgres:
            run(create_engine(found.owner, isolation_level="AUTOCOMMIT", poolclass=NullPool), postgres_then, name)
        owner.dispose()
        yield found
    finally:
        force, account = (" WITH (FORCE)", "ROLE") if postgres else ("", "USER")
        with admin.connect() as connection:
            for what in (f"DATABASE {name}{force}", f"{account} {name}_app", f"{account} {name}_owner"):
                with suppress(DBAPIError):  # not made, where the page is wrong: that is what is reported
                    connection.exec_driver_sql(f"DROP {what}")


def test_the_page_has_only_blocks_that_are_run() -> None:
    assert [language for language, _ in BLOCKS] == ["sql", "sql", "sql"]


def test_a_round_runs_under_the_account_that_may_do_no_more(accounts: Accounts) -> None:
    kind = accounts.app.get_backend_name()
    script = RoundScript(ROOT / "examples/plan.toml", database=accounts.app.render_as_string(hide_password=False))
    script.carry("水表", to="public_notice")
    seen = [problem.code for problem in script.wf.verify().problems]
    script.wf.database.dispose()
    app = connect(accounts.app)
    told = []
    for statement in ("TRUNCATE ganchu_attempt", "DROP TABLE ganchu_seal", "UPDATE ganchu_history SET seq = 9"):
        with pytest.raises(DBAPIError) as caught, write(app) as connection:
            connection.exec_driver_sql(statement)
        told.append(re.search("denied|must be owner|append-only", str(caught.value.orig)))
    app.dispose()
    owner = Workflow(accounts.owner.render_as_string(hide_password=False))

    assert [found[0] if found else None for found in told] == [
        "denied",
        "must be owner" if kind == "postgresql" else "denied",
        "append-only",
    ]
    assert seen == ([] if kind == "postgresql" else ["trigger_missing"] * len(expected(kind)))
    assert owner.verify().problems == []
    owner.database.dispose()
