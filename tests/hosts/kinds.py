"""Which hosts are tried on which databases."""

from collections.abc import Callable, Iterable

import pytest

from tests.hosts.django_host import DjangoHost
from tests.hosts.fastapi_host import AsyncFastapiHost, FastapiHost
from tests.hosts.flask_host import FlaskHost
from tests.hosts.hosts import Host

HOSTS: dict[str, Callable[..., Host]] = {
    "flask": FlaskHost, "fastapi": FastapiHost, "fastapi, asynchronous": AsyncFastapiHost, "django": DjangoHost
}  # fmt: skip
DATABASES = ("sqlite", "postgresql", "mariadb")


def on(databases: Iterable[str] = DATABASES, hosts: Iterable[str] = HOSTS) -> pytest.MarkDecorator:
    """Run the test with each of these hosts on each of these databases: it takes `host`, or `serve`."""
    each = [(database, host) for database in databases for host in hosts]
    # The project has no asynchronous driver of MariaDB.
    each = [pair for pair in each if pair != ("mariadb", "fastapi, asynchronous")]
    return pytest.mark.parametrize(("database_url", "serve"), each, indirect=True)
