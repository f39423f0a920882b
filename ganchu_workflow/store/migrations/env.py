"""Run by Alembic, on the connection and in the transaction that `database.migrate` hands over."""

from alembic import context

from ganchu_workflow.store.migrations import OPTIONS
from ganchu_workflow.store.tables import METADATA

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA, **OPTIONS)
context.run_migrations()
