"""Column types that mean the same on every database."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Dialect, String, Text
from sqlalchemy.exc import DontWrapMixin
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.types import TypeDecorator, TypeEngine

from ganchu_workflow.clock import from_micros, to_micros
from ganchu_workflow.errors import Invalid
from ganchu_workflow.store import mariadb


class NaiveInstant(Invalid, DontWrapMixin):
    """A datetime without a time zone was about to be stored; nothing was sent to the database.

    The mixin keeps SQLAlchemy from wrapping it, so that a caller can catch `Invalid`.
    """


class Instant(TypeDecorator[datetime]):
    """An aware datetime, stored as whole microseconds since 1970-01-01T00:00:00Z and given back in UTC.

    Raises `NaiveInstant` for a datetime without a time zone.
    """

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """The microseconds to store."""
        if value is None:
            return None
        try:
            return to_micros(value)
        except Invalid as error:
            raise NaiveInstant(error.message) from error

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        """The stored instant, in UTC."""
        return None if value is None else from_micros(value)


# Not the dialect's own types: they bring every driver of it along, on whatever database.
class _Varchar(String):
    """Text on MariaDB or MySQL in which every character counts, a blank at the end too."""


class _LongText(Text):
    """Text of any length on MariaDB or MySQL in which every character counts. Their TEXT ends at 64 KiB."""


@compiles(_Varchar, *mariadb.DIALECTS)
def _varchar(type_: _Varchar, compiler: Any, **options: Any) -> str:
    return f"VARCHAR({type_.length}) {mariadb.collation(compiler.dialect)}"


@compiles(_LongText, *mariadb.DIALECTS)
def _long_text(type_: _LongText, compiler: Any, **options: Any) -> str:
    return f"LONGTEXT {mariadb.collation(compiler.dialect)}"


def name_type(length: int) -> TypeEngine[str]:
    """Text of at most `length` characters that is compared and sorted by code point, as SQLite does by default."""
    return (
        String(length)
        .with_variant(String(length, collation="C"), "postgresql")
        .with_variant(_Varchar(length), *mariadb.DIALECTS)
    )


def document_type() -> TypeEngine[str]:
    """Canonical JSON as text of any length, never as a database's JSON type: that would not keep it to the byte."""
    return Text().with_variant(_LongText(), *mariadb.DIALECTS)
