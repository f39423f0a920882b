"""The first tables, and the triggers that make the record append-only.

The append-only tables must never be altered in Alembic's batch mode: it builds them anew and drops their triggers.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

from ganchu_workflow.errors import SchemaFault
from ganchu_workflow.store.triggers import create_statements

revision = "0001"
down_revision = None
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
    """Create everything in an empty database."""
    _table(
        "ganchu_case",
        sa.Column("id", _name(26), nullable=False),
        sa.Column("round_id", _name(26), nullable=False),
        sa.Column("kind", _name(60), nullable=False),
        sa.Column("state", _name(120), nullable=False),
        sa.Column("stage", _name(60), nullable=True),
        sa.Column("visit", sa.Integer(), nullable=False),
        sa.Column("parent_id", _name(26), nullable=True),
        sa.Column("of_id", _name(26), nullable=True),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("head", _name(64), nullable=False),
        sa.Column("facts", _document(), nullable=False),
        sa.Column("opened_at", INSTANT, nullable=False),
        sa.Column("recorded_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_ganchu_case"),
    )
    op.create_index("ganchu_case_round_ix", "ganchu_case", ["round_id", "kind", "state"])
    op.create_index("ganchu_case_parent_ix", "ganchu_case", ["parent_id", "kind"])
    op.create_index("ganchu_case_of_ix", "ganchu_case", ["of_id", "kind"])

    _table(
        "ganchu_member",
        sa.Column("cohort_id", _name(26), nullable=False),
        sa.Column("application_id", _name(26), nullable=False),
        sa.Column("visit", sa.Integer(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("cohort_id", "application_id", name="pk_ganchu_member"),
    )
    op.create_index("ganchu_member_application_ix", "ganchu_member", ["application_id", "cohort_id"])

    _table(
        "ganchu_party",
        sa.Column("case_id", _name(26), nullable=False),
        sa.Column("role", _name(30), nullable=False),
        sa.Column("scope", _name(120), nullable=False),
        sa.PrimaryKeyConstraint("case_id", "role", name="pk_ganchu_party"),
    )
    op.create_index("ganchu_party_scope_ix", "ganchu_party", ["role", "scope", "case_id"])

    _table(
        "ganchu_fact_index",
        sa.Column("case_id", _name(26), nullable=False),
        sa.Column("name", _name(60), nullable=False),
        sa.Column("value", _name(200), nullable=False),
        sa.PrimaryKeyConstraint("case_id", "name", name="pk_ganchu_fact_index"),
    )
    op.create_index("ganchu_fact_index_value_ix", "ganchu_fact_index", ["name", "value"])

    _table(
        "ganchu_history",
        sa.Column("case_id", _name(26), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("round_id", _name(26), nullable=False),
        sa.Column("name", _name(120), nullable=False),
        sa.Column("recorded_at", INSTANT, nullable=False),
        sa.Column("idempotency_key", _name(120), nullable=True),
        sa.Column("body", _document(), nullable=False),
        sa.Column("digest", _name(64), nullable=False),
        sa.PrimaryKeyConstraint("case_id", "seq", name="pk_ganchu_history"),
        sa.UniqueConstraint("idempotency_key", name="ganchu_history_key_uq"),
    )
    op.create_index("ganchu_history_round_ix", "ganchu_history", ["round_id", "recorded_at"])

    _table(
        "ganchu_deadline",
        sa.Column("case_id", _name(26), nullable=False),
        sa.Column("name", _name(120), nullable=False),
        sa.Column("round_id", _name(26), nullable=False),
        sa.Column("fires", _name(120), nullable=True),
        sa.Column("status", _name(20), nullable=False),
        sa.Column("due_at", INSTANT, nullable=True),
        sa.Column("rule", _name(120), nullable=False),
        sa.Column("remainder", _name(120), nullable=True),
        sa.Column("armed_at", INSTANT, nullable=False),
        sa.Column("calendar", _name(40), nullable=True),
        sa.PrimaryKeyConstraint("case_id", "name", name="pk_ganchu_deadline"),
    )
    op.create_index("ganchu_deadline_due_ix", "ganchu_deadline", ["status", "due_at"])

    _table(
        "ganchu_outbox",
        sa.Column("id", _name(26), nullable=False),
        sa.Column("round_id", _name(26), nullable=False),
        sa.Column("case_id", _name(26), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("message", _name(120), nullable=False),
        sa.Column("recipient", _name(160), nullable=False),
        sa.Column("body", _document(), nullable=False),
        sa.Column("status", _name(20), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_ganchu_outbox"),
    )
    op.create_index("ganchu_outbox_status_ix", "ganchu_outbox", ["status", "created_at"])

    _table(
        "ganchu_attempt",
        sa.Column("id", _name(26), nullable=False),
        sa.Column("round_id", _name(26), nullable=True),
        sa.Column("case_id", _name(26), nullable=True),
        sa.Column("name", _name(120), nullable=False),
        sa.Column("kind", _name(20), nullable=False),
        sa.Column("code", _name(60), nullable=False),
        sa.Column("actor", _name(160), nullable=False),
        sa.Column("received_at", INSTANT, nullable=False),
        sa.Column("recorded_at", INSTANT, nullable=False),
        sa.Column("body", _document(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_ganchu_attempt"),
    )

    _table(
        "ganchu_definition",
        sa.Column("fingerprint", _name(64), nullable=False),
        sa.Column("body", _document(), nullable=False),
        sa.Column("recorded_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("fingerprint", name="pk_ganchu_definition"),
    )

    _table(
        "ganchu_calendar_version",
        sa.Column("version", _name(40), nullable=False),
        sa.Column("body", _document(), nullable=False),
        sa.Column("recorded_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("version", name="pk_ganchu_calendar_version"),
    )

    _table(
        "ganchu_private_value",
        sa.Column("id", _name(64), nullable=False),
        sa.Column("case_id", _name(26), nullable=False),
        sa.Column("field", _name(60), nullable=False),
        sa.Column("salt", _name(64), nullable=True),
        sa.Column("value", _document(), nullable=True),
        sa.Column("erased_at", INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_ganchu_private_value"),
    )

    _table(
        "ganchu_seal",
        sa.Column("round_id", _name(26), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("root", _name(64), nullable=False),
        sa.Column("signer", _name(120), nullable=False),
        sa.Column("signature", _document(), nullable=False),
        sa.Column("sealed_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("round_id", "size", name="pk_ganchu_seal"),
    )

    tables = ("ganchu_history", "ganchu_attempt", "ganchu_definition", "ganchu_calendar_version", "ganchu_seal")
    for statement in create_statements(op.get_bind().dialect.name, tables):
        op.get_bind().exec_driver_sql(statement)


def downgrade() -> None:
    """Raises `SchemaFault`: no migration destroys a record."""
    raise SchemaFault("the tables of a record are never dropped by a migration; restore a backup into a new database")
