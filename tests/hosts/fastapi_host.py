"""A FastAPI application, with a Session of SQLAlchemy for each request, or with an AsyncSession.

The session is closed before the answer is sent (`scope="function"`): an answer must not tell of what a commit that is
still to come may undo.
"""

from asyncio import Runner
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any

import httpx
from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse
from sqlalchemy import create_engine
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session

from ganchu_workflow import Refused, Workflow
from ganchu_workflow.errors import WorkflowError
from tests.hosts.hosts import Answer, SessionUnit, Work, asynchronous, listen, reason_of
from tests.hosts.tape import Tape


class _FastapiHost:
    def __init__(self, wf: Workflow) -> None:
        self.wf = wf
        self._work: Work
        self.app = FastAPI()

        @self.app.exception_handler(Refused)
        def refused(request: Request, error: Refused) -> JSONResponse:
            wf.keep(error)
            return JSONResponse({"code": error.code}, 409)

        @self.app.exception_handler(WorkflowError)
        def failed(request: Request, error: WorkflowError) -> JSONResponse:
            return JSONResponse({"code": reason_of(error)}, 503)

        # One event loop for all requests: an asynchronous connection belongs to the loop that has opened it.
        self.loop = Runner()
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        self._client = httpx.AsyncClient(transport=transport, base_url="http://oa")

    def request(self, work: Work) -> Answer:
        self._work = work
        answer = self.loop.run(self._client.post("/acts"))
        is_json = answer.headers["content-type"] == "application/json"
        return Answer(answer.status_code, answer.json()["code"] if is_json else "")

    def close(self) -> None:
        self.loop.run(self._client.aclose())
        self.loop.close()


class FastapiHost(_FastapiHost):
    def __init__(self, url: str, wf: Workflow, tape: Tape, **engine: Any) -> None:
        super().__init__(wf)
        self.engine = create_engine(url, **engine)
        listen(self.engine, tape)

        def session_of_request() -> Iterator[Session]:
            with Session(self.engine) as session, session.begin():
                yield session

        @self.app.post("/acts")
        def acts(session: Annotated[Session, Depends(session_of_request, scope="function")]) -> dict[str, str]:
            self._work(SessionUnit(session, wf))
            return {"code": "done"}

    def close(self) -> None:
        super().close()
        self.engine.dispose()


class AsyncFastapiHost(_FastapiHost):
    def __init__(self, url: str, wf: Workflow, tape: Tape, **engine: Any) -> None:
        super().__init__(wf)
        self.engine = create_async_engine(asynchronous(url), **engine)
        listen(self.engine.sync_engine, tape)

        async def session_of_request() -> AsyncIterator[AsyncSession]:
            async with AsyncSession(self.engine) as session, session.begin():
                yield session

        @self.app.post("/acts")
        async def acts(
            session: Annotated[AsyncSession, Depends(session_of_request, scope="function")],
        ) -> dict[str, str]:
            await session.run_sync(lambda inner: self._work(SessionUnit(inner, wf)))
            return {"code": "done"}

    def close(self) -> None:
        self.loop.run(self.engine.dispose())
        super().close()
