"""The migrations, shipped inside the package and run by `database.migrate`, never by an alembic.ini."""

from __future__ import annotations

from typing import Any

VERSION_TABLE = "ganchu_alembic_version"
REVISIONS = ("0001", "0002", "0003")
"""All revisions, oldest first: what `require_schema` compares with, so that it need not load Alembic."""


def _ours(name: str | None, kind: str, parents: Any) -> bool:
    """Whether Alembic may look at this object of the database: a host's tables are none of our business."""
    return kind != "table" or (name is not None and name.startswith("ganchu_"))


OPTIONS: dict[str, Any] = {"version_table": VERSION_TABLE, "include_name": _ours, "compare_type": True}
"""How Alembic is configured, in `env.py` and wherever the database is compared with the tables."""
