"""Viewflow's state machine on a Django model; event, deadline and message as rows in the same `atomic`."""

import sys
from urllib.parse import parse_qs, urlsplit

import django
from conversation import converse
from django.conf import settings
from rows import DEADLINE, MESSAGE

url = sys.argv[1]
parts = urlsplit(url)
socket = parse_qs(parts.query).get("host", [""])[0]
SQLITE = {
    "ENGINE": "django.db.backends.sqlite3",
    "NAME": url.removeprefix("sqlite:///"),
    "OPTIONS": {
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL",
    },
}
POSTGRES = {
    "ENGINE": "django.db.backends.postgresql",
    "NAME": parts.path.lstrip("/"),
    "USER": parts.username,
    "PASSWORD": parts.password or "",
    "HOST": parts.hostname or socket,
    "PORT": parts.port or 5432,
}
settings.configure(
    DATABASES={"default": SQLITE if url.startswith("sqlite") else POSTGRES},
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "viewflow"],
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    USE_TZ=True,
)
django.setup()

from django.db import connection, models, transaction  # noqa: E402
from viewflow import fsm  # noqa: E402


class Case(models.Model):
    state = models.CharField(max_length=60, default="draft")
    scope = models.CharField(max_length=60, default="e1")
    seq = models.IntegerField(default=1)

    class Meta:
        app_label = "peer"


class Event(models.Model):
    case = models.ForeignKey(Case, models.CASCADE)
    seq = models.IntegerField()
    body = models.JSONField()

    class Meta:
        app_label = "peer"


class Deadline(models.Model):
    case = models.ForeignKey(Case, models.CASCADE)
    body = models.JSONField()

    class Meta:
        app_label = "peer"


class Message(models.Model):
    case = models.ForeignKey(Case, models.CASCADE)
    body = models.JSONField()

    class Meta:
        app_label = "peer"


class Flow:
    state = fsm.State(["draft", "submitted"], default="draft")

    def __init__(self, case):
        self.case = case

    @state.getter()
    def _get(self):
        return self.case.state

    @state.setter()
    def _set(self, value):
        self.case.state = value

    @state.transition(source="draft", target="submitted")
    def submit(self):
        self.case.seq += 1


def submit(key):
    with transaction.atomic():
        case = Case.objects.select_for_update().get(pk=key)
        if case.scope != "e1":
            raise PermissionError(case.scope)
        Flow(case).submit()
        case.save(update_fields=["state", "seq"])
        Event.objects.create(case=case, seq=case.seq, body={"trigger": "submit", "target": case.state})
        Deadline.objects.create(case=case, body=DEADLINE)
        Message.objects.create(case=case, body=MESSAGE)


with connection.schema_editor() as editor:
    for model in (Case, Event, Deadline, Message):
        editor.create_model(model)
converse(lambda: Case.objects.create().pk, submit)
