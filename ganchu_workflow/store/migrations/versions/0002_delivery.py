"""The delivery of messages: how far each has come over each channel, and the inboxes kept here."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

from ganchu_workflow.errors import SchemaFault

revision = "0002"
down_revision = "0001"
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
    """Create the two tables beside the others, which stay as they are."""
    _table(
        "ganchu_delivery",
        sa.Column("message_id", _name(26), nullable=False),
        sa.Column("channel", _name(60), nullable=False),
        sa.Column("round_id", _name(26), nullable=False),
        sa.Column("status", _name(20), nullable=False),
        sa.Column("due_at", INSTANT, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("claimed_by", _name(120), nullable=True),
        sa.Column("subject", _name(300), nullable=True),
        sa.Column("text", _document(), nullable=True),
        sa.Column("digest", _name(64), nullable=True),
        sa.Column("error", _name(500), nullable=True),
        sa.Column("decided_by", _name(160), nullable=True),
        sa.Column("reason", _name(500), nullable=True),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("delivered_at", INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("message_id", "channel", name="pk_ganchu_delivery"),
    )
    op.create_index("ganchu_delivery_due_ix", "ganchu_delivery", ["status", "due_at"])

    _table(
        "ganchu_inbox",
        sa.Column("message_id", _name(26), nullable=False),
        sa.Column("recipient", _name(160), nullable=False),
        sa.Column("subject", _name(300), nullable=False),
        sa.Column("text", _document(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("read_at", INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("message_id", name="pk_ganchu_inbox"),
    )
    op.create_index("ganchu_inbox_recipient_ix", "ganchu_inbox", ["recipient", "created_at"])


def downgrade() -> None:
    """Raises `SchemaFault`: no migration destroys a record."""
    raise SchemaFault("the tables of a record are never dropped by a migration; restore a backup into a new database")
