"""A Django application: its own connection, inside `transaction.atomic()`, carries the acts."""

from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from typing import Any, ClassVar

import django
import pymysql
from django.conf import settings
from django.db import connection, connections, models, transaction
from django.db.backends.signals import connection_created
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.test import Client
from django.urls import path
from sqlalchemy import make_url

from ganchu_workflow import Refused, Workflow
from ganchu_workflow.errors import WorkflowError
from tests.hosts.hosts import Answer, Work, reason_of
from tests.hosts.tape import Tape

pymysql.install_as_MySQLdb()
settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], USE_TZ=True, LOGGING_CONFIG=None)
django.setup()


class Paper(models.Model):  # type: ignore[misc]
    """The host's own table, as Django's ORM sees it."""

    title = models.TextField()

    class Meta:
        app_label = "oa"
        db_table = "oa_paper"


class DjangoUnit:
    def __init__(self, wf: Workflow) -> None:
        self.wf = wf

    def write(self, number: int) -> None:
        Paper.objects.create(id=number, title="受理通知")

    def using(self) -> Workflow:
        return self.wf.using(connection.connection)

    def savepoint(self) -> AbstractContextManager[Any]:
        found: AbstractContextManager[Any] = transaction.atomic()
        return found

    def papers(self) -> int:
        return int(Paper.objects.count())

    def raw(self) -> Any:
        return connection.connection


class DjangoHost:
    serving: ClassVar[Callable[[HttpRequest], HttpResponse]]

    def __init__(
        self, url: str, wf: Workflow, tape: Tape, *, atomic: bool = True, isolation_level: str = "", **options: Any
    ) -> None:
        self.wf = wf
        self._atomic = atomic
        self._work: Work
        self._tape = tape
        DjangoHost.serving = self._serve
        if isolation_level:
            options["isolation_level"] = _levels(url)[isolation_level]
        _forget()
        connections.settings = connections.configure_settings({"default": database_of(url, **options)})
        connection_created.connect(self._connected)
        self._client = Client(raise_request_exception=False)

    def _connected(self, sender: Any, connection: Any, **more: Any) -> None:
        hear = {"sqlite": self._tape.sqlite, "postgresql": self._tape.postgresql, "mysql": self._tape.mysql}
        hear[connection.vendor](connection.connection)

    def _serve(self, request: HttpRequest) -> HttpResponse:
        try:
            if self._atomic:
                with transaction.atomic():
                    self._work(DjangoUnit(self.wf))
            else:
                self._work(DjangoUnit(self.wf))
        except Refused as refused:
            self.wf.keep(refused)
            return JsonResponse({"code": refused.code}, status=409)
        except WorkflowError as error:
            return JsonResponse({"code": reason_of(error)}, status=503)
        return JsonResponse({"code": "done"})

    def request(self, work: Work) -> Answer:
        self._work = work
        answer = self._client.post("/acts")
        is_json = answer["content-type"] == "application/json"
        return Answer(answer.status_code, answer.json()["code"] if is_json else "")

    def close(self) -> None:
        connection_created.disconnect(self._connected)
        _forget()


def _forget() -> None:
    """Django keeps one connection for each name and thread, with the settings that it was first asked for with."""
    connections.close_all()
    with suppress(AttributeError):
        del connections["default"]


def database_of(url: str, **options: Any) -> dict[str, Any]:
    """An entry of Django's DATABASES for the same database."""
    found = make_url(url)
    engine = {"sqlite": "sqlite3", "mariadb": "mysql"}.get(found.get_backend_name(), found.get_backend_name())
    return {
        "ENGINE": f"django.db.backends.{engine}",
        "NAME": found.database,
        "USER": found.username or "",
        "PASSWORD": found.password or "",
        "HOST": found.host or found.query.get("host", ""),  # the folder of a server's socket is not in the authority
        "PORT": found.port or "",
        "CONN_MAX_AGE": None,  # the connection outlives a request, so that the tape hears only what a request does
        "OPTIONS": options,
    }


def _levels(url: str) -> dict[str, Any]:
    """The isolation levels of SQL as Django wants them given."""
    if make_url(url).get_backend_name() != "postgresql":
        return {name: name.lower() for name in ("READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE")}
    from psycopg import IsolationLevel

    return {level.name.replace("_", " "): level for level in IsolationLevel}


urlpatterns = [path("acts", lambda request: DjangoHost.serving(request))]
