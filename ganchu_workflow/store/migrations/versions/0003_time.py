"""Time: the end that is shown beside a grace, deadlines that would not fire, and the calendars an office imported."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

from ganchu_workflow.errors import SchemaFault
from ganchu_workflow.store.triggers import create_statements

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# The types are spelled out and not imported: what a migration makes must not change when the library does.
INSTANT = sa.BigInteger()


def _exact() -> dict[str, str]:
    """How MariaDB and MySQL compare text by code point, blanks at the end included."""
    mariadb = getattr(op.get_bind().dialect, "is_mariadb", False)
    return {"charset": "utf8mb4", "collation": "utf8mb4_nopad_bin" if mariadb else "utf8mb4_0900_bin"}


def _name(length: int) -> sa.types.TypeEngine[str]:
    return (
        sa.String(length)
        .with_variant(sa.String(length, collation="C"), "postgresql")
        .with_variant(mysql.VARCHAR(length, **_exact()), "mysql", "mariadb")
    )


def _document() -> sa.types.TypeEngine[str]:
    return sa.Text().with_variant(mysql.LONGTEXT(**_exact()), "mysql", "mariadb")


def _table(name: str, *columns: sa.schema.SchemaItem) -> None:
    # Whatever the server's default is: no other engine has transactions.
    op.create_table(name, *columns, mysql_engine="InnoDB", mariadb_engine="InnoDB")


def upgrade() -> None:
    """Add a column and an index to the deadlines, and create two tables beside the others, which stay as they are."""
    op.add_column("ganchu_deadline", sa.Column("shown_at", INSTANT, nullable=True))
    op.create_index("ganchu_deadline_round_ix", "ganchu_deadline", ["round_id", "status", "due_at"])

    _table(
        "ganchu_stuck_deadline",
        sa.Column("case_id", _name(26), nullable=False),
        sa.Column("name", _name(120), nullable=False),
        sa.Column("round_id", _name(26), nullable=False),
        sa.Column("due_at", INSTANT, nullable=True),
        sa.Column("status", _name(20), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("code", _name(60), nullable=False),
        sa.Column("why", _name(500), nullable=False),
        sa.Column("first_at", INSTANT, nullable=False),
        sa.Column("last_at", INSTANT, nullable=False),
        sa.Column("again_at", INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("case_id", "name", name="pk_ganchu_stuck_deadline"),
    )

    _table(
        "ganchu_calendar_import",
        sa.Column("id", _name(26), nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("paper", _name(300), nullable=False),
        sa.Column("body", _document(), nullable=False),
        sa.Column("digest", _name(64), nullable=False),
        sa.Column("actor", _name(160), nullable=False),
        sa.Column("imported_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_ganchu_calendar_import"),
    )
    for statement in create_statements(op.get_bind().dialect.name, ["ganchu_calendar_import"]):
        op.get_bind().exec_driver_sql(statement)


def downgrade() -> None:
    """Raises `SchemaFault`: no migration destroys a record."""
    raise SchemaFault("the tables of a record are never dropped by a migration; restore a backup into a new database")
