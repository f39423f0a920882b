"""A process ready to be run: its fingerprint, the digests of settings and handlers, and the asking of its guards."""

from __future__ import annotations

import inspect
import logging
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import time
from functools import cache, cached_property
from types import ModuleType
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import BaseModel

from ganchu_workflow.canonical import digest, digest_of, encode
from ganchu_workflow.engine.workspace import Workspace
from ganchu_workflow.errors import NotCanonical, Refusal, YearNotPublished
from ganchu_workflow.process import fingerprint as fingerprints
from ganchu_workflow.process.context import Context
from ganchu_workflow.process.definition import Edge, Process
from ganchu_workflow.process.language import Lifecycle, NoSettings, Rule

log = logging.getLogger("ganchu_workflow")
NO_SETTINGS = NoSettings()
CODE_LENGTH = 60
"""How long the code of a refusal may be: it is kept in a column of its own."""


@dataclass(frozen=True)
class Rulebook:
    """What a round is played by: a process, and what a plan says beside it."""

    process: Process
    zone: ZoneInfo
    close_of_business: time
    algorithm: str = "sha256"
    demonstration: bool = False
    distributions: Mapping[str, str] = field(default_factory=dict)
    """Top-level package → the distribution that brought it, with its version."""

    @cached_property
    def body(self) -> str:
        """The meaning of the process, as canonical text."""
        return fingerprints.body(self.process)

    @cached_property
    def fingerprint(self) -> str:
        """The fingerprint of the process."""
        return digest(self.body)

    def settings_of(self, stage: str) -> BaseModel:
        """The settings of a stage instance; of the round itself, none."""
        return self.process.stage(stage).settings if stage else NO_SETTINGS

    def settings_digest(self, stage: str) -> str:
        """The digest of a stage instance's settings."""
        return self._settings_digests[stage]

    @cached_property
    def _settings_digests(self) -> dict[str, str]:
        found = {s.name: digest_of(s.settings.model_dump(mode="json")) for s in self.process.stages}
        return {**found, "": digest_of({})}

    def handler(self, lifecycle: Lifecycle) -> dict[str, str]:
        """Who handles this life cycle: the distribution, and the digest of the module it is written in."""
        modules = [base.__module__ for base in type(lifecycle).__mro__]
        package = type(lifecycle).__module__.partition(".")[0]
        return {
            "class": f"{type(lifecycle).__module__}:{type(lifecycle).__qualname__}",
            "distribution": self.distributions.get(package, "unknown"),
            "code": code_digest(package, frozenset(m for m in modules if m.partition(".")[0] == package)),
        }

    def ask(self, edge: Edge, ctx: Context[Any, Any], work: Workspace, results: list[dict[str, Any]]) -> Refusal | None:
        """Put the question to each guard, in order, until one refuses. A guard that crashes refuses; where
        the database failed under it, that is raised.

        `results` takes, for each guard asked, its id, version, result, and the digest of what it could know.
        """
        for guard in edge.transition.guards:
            with work.tracing() as read:
                refusal: Refusal | None
                try:
                    refusal = _answer(guard, guard.function(edge.handler, ctx))
                except YearNotPublished as error:
                    refusal = Refusal(
                        "year_not_published", "所涉年度的放假安排尚未导入", error.message, dict(error.fields)
                    )
                except (Exception, SystemExit) as error:  # a rule that says sys.exit() must not end the host
                    work.require_database()
                    log.exception("a guard crashed", extra={"action": "guard_crashed", "guard": guard.id})
                    refusal = Refusal(
                        "guard_crashed",
                        f"规则“{guard.id}”运行出错,未予办理",
                        f"the guard '{guard.id}' crashed ({type(error).__name__}); the act was refused",
                        {"guard": guard.id, "version": guard.version, "error": type(error).__name__},
                    )
            inputs = digest_of({"data": dict(ctx.given), "cases": work.heads(read)})
            results.append(
                {
                    "id": guard.id,
                    "version": guard.version,
                    "inputs": inputs,
                    "result": refusal.code if refusal else "passed",
                }
            )
            if refusal is not None:
                return refusal
        return None


def _answer(guard: Rule, answer: Any) -> Refusal | None:
    """What a guard said; rubbish is a refusal, in words that do not repeat it: it may hold a private value."""
    if answer is None:
        return None
    if not isinstance(answer, Refusal):
        said = f"{type(answer).__name__}, neither a Refusal nor None"
    elif not all(isinstance(word, str) for word in (answer.code, answer.zh, answer.en)):
        said = "a Refusal whose code, zh or en is not a text"
    elif not 0 < len(answer.code) <= CODE_LENGTH:
        said = f"a Refusal whose code has not 1 to {CODE_LENGTH} characters"
    elif not _can_be_kept(answer.detail):
        said = "a Refusal whose detail is not made of JSON values (no floats, no dates)"
    else:
        return answer
    return Refusal(
        "guard_crashed",
        f"规则“{guard.id}”返回了无效结果,未予办理",
        f"the guard '{guard.id}' returned {said}; the act was refused",
        {"guard": guard.id, "version": guard.version},
    )


def _can_be_kept(detail: Any) -> bool:
    try:
        encode(dict(detail))
    except (NotCanonical, TypeError, ValueError):
        return False
    return True


@cache
def code_digest(package: str, modules: frozenset[str]) -> str:
    """SHA-256 over the sources of these modules, and of every module of the package that those use."""
    found: dict[str, str] = {}
    ahead = set(modules)
    while ahead:
        name = ahead.pop()
        module = sys.modules.get(name)
        found[name] = source_digest(module) if module else "unknown"
        used = {
            getattr(v, "__name__" if inspect.ismodule(v) else "__module__", None)
            for v in vars(module or inspect).values()
        }
        ahead |= {u for u in used if isinstance(u, str) and u.partition(".")[0] == package and u not in found}
    return digest_of(found)


def source_digest(module: ModuleType) -> str:
    """SHA-256 of a module's source text, with line ends as \\n; `unknown` where there is no source."""
    try:
        source = inspect.getsource(module)
    except (OSError, TypeError):
        return "unknown"
    return digest(source.replace("\r\n", "\n"))
