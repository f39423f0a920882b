"""The record: tables, append-only triggers, migrations, and the connection to the database. It knows no process.

Nothing is imported here on purpose: `ganchu --help` must not pay for the tables.
"""
