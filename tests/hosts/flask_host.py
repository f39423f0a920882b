"""A Flask application with a Session of SQLAlchemy for each request."""

from typing import Any

from flask import Flask
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from ganchu_workflow import Refused, Workflow
from ganchu_workflow.errors import WorkflowError
from tests.hosts.hosts import Answer, SessionUnit, Work, listen, reason_of
from tests.hosts.tape import Tape


class FlaskHost:
    def __init__(self, url: str, wf: Workflow, tape: Tape, **engine: Any) -> None:
        self.engine = create_engine(url, **engine)
        listen(self.engine, tape)
        self._work: Work
        app = Flask("oa")

        @app.post("/acts")
        def acts() -> dict[str, str]:
            with Session(self.engine) as session, session.begin():
                self._work(SessionUnit(session, wf))
            return {"code": "done"}

        @app.errorhandler(Refused)
        def refused(error: Refused) -> tuple[dict[str, str], int]:
            wf.keep(error)
            return {"code": error.code}, 409

        @app.errorhandler(WorkflowError)
        def failed(error: WorkflowError) -> tuple[dict[str, str], int]:
            return {"code": reason_of(error)}, 503

        self._client = app.test_client()

    def request(self, work: Work) -> Answer:
        self._work = work
        answer = self._client.post("/acts")
        return Answer(answer.status_code, (answer.get_json(silent=True) or {}).get("code", ""))

    def close(self) -> None:
        self.engine.dispose()
