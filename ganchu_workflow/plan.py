"""A plan: the TOML file that says which stages a round has, with which settings, windows and ways out.

A time without an offset is read in the plan's zone. What the plan does not say is a default of the stage, and is
listed as such: a default is not a rule of 赣出精品.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ValidationError

from ganchu_workflow.canonical import ALGORITHMS
from ganchu_workflow.clock import from_text, to_text
from ganchu_workflow.errors import Finding, Invalid, PlanInvalid, PluginInvalid
from ganchu_workflow.plugins import Registry
from ganchu_workflow.process.compiler import define
from ganchu_workflow.process.definition import Process, StageInstance
from ganchu_workflow.process.language import Outcome, Stage, Transition
from ganchu_workflow.process.rounds import CORE_KINDS
from ganchu_workflow.timing.periods import is_minute

KEYS = ("title", "code", "timezone", "close_of_business", "digest", "demonstration", "stage")
STAGE_KEYS = ("use", "as", "on", "window", "phase")


@dataclass(frozen=True)
class PlannedStage:
    """One stage of a plan: which, under what name, in which phase, with which settings."""

    use: str
    name: str
    settings: BaseModel
    defaulted: tuple[str, ...]
    """The settings the plan does not give: defaults, not rules of 赣出精品."""
    on: Mapping[str, str] = field(default_factory=dict)
    opens_at: datetime | None = None
    closes_at: datetime | None = None


@dataclass(frozen=True)
class Plan:
    """A plan that has been read: every value is checked, every default is known."""

    title: str
    code: str
    zone: ZoneInfo
    close_of_business: time
    digest: str
    demonstration: bool
    stages: tuple[PlannedStage, ...]
    process: Process

    def document(self) -> dict[str, Any]:
        """The plan with every default spelt out, as canonical JSON: what a round is pinned to. `read_plan` reads it."""
        return {
            "title": self.title,
            "code": self.code,
            "timezone": self.zone.key,
            "close_of_business": self.close_of_business.strftime("%H:%M"),
            "digest": self.digest,
            "demonstration": self.demonstration,
            "stage": [_stage_document(s) for s in self.stages],
        }


def read_plan(source: str | Path | Mapping[str, Any], registry: Registry) -> Plan:
    """Read a plan from a TOML file, or from a mapping of the same shape, and assemble its process.

    Raises `PlanInvalid` with everything that is wrong with it (key, what is allowed), and `DefinitionInvalid` when its
    stages cannot work together. Nothing is written.
    """
    name, raw = _raw(source)
    reader = _Reader(raw, registry)
    stages = reader.stages()
    values = reader.head()
    if reader.findings:
        raise PlanInvalid.of(name, reader.findings)
    instances = [StageInstance(s.name, registry.get(s.use).brought(), s.settings, s.on) for s in stages]
    return Plan(**values, stages=tuple(stages), process=define(instances, CORE_KINDS))


def _raw(source: str | Path | Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    if isinstance(source, Mapping):
        return "a mapping", source
    # Here, because a service that runs its rounds reads no plan.
    import tomllib

    path = Path(source)
    try:
        return str(path), tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise PlanInvalid(f"there is no plan at '{path}'; give the path of a TOML file", path=str(path)) from error
    except (OSError, UnicodeDecodeError) as error:
        raise PlanInvalid(f"the plan '{path}' cannot be read: {error}", path=str(path)) from error
    except tomllib.TOMLDecodeError as error:
        raise PlanInvalid(f"the plan '{path}' is not TOML: {error}", path=str(path)) from error


class _Reader:
    """Reads a plan key by key, and collects all that is wrong before anything is made of it."""

    def __init__(self, raw: Mapping[str, Any], registry: Registry) -> None:
        self.raw = raw
        self.registry = registry
        self.findings: list[Finding] = []
        self.zone = self._zone()
        for key in raw:
            if key not in KEYS:
                self._unknown(key, key, KEYS)

    def head(self) -> dict[str, Any]:
        """The values beside the stages."""
        for key in ("title", "code"):
            if not isinstance(self.raw.get(key), str) or not self.raw[key].strip():
                self._wrong(key, "is missing: give it a text")
        algorithm = self.raw.get("digest", "sha256")
        if algorithm not in ALGORITHMS:
            self._wrong("digest", f"is '{algorithm}'; allowed are {', '.join(ALGORITHMS)}")
        demonstration = self.raw.get("demonstration", False)
        if not isinstance(demonstration, bool):
            self._wrong("demonstration", "must be true or false")
        return {
            "title": self.raw.get("title"),
            "code": self.raw.get("code"),
            "zone": self.zone,
            "close_of_business": self._close_of_business(),
            "digest": algorithm,
            "demonstration": demonstration,
        }

    def stages(self) -> list[PlannedStage]:
        """The stages, in order."""
        entries = self.raw.get("stage")
        if not isinstance(entries, Sequence) or isinstance(entries, str) or not entries:
            self._wrong("stage", "a plan needs at least one [[stage]]")
            return []
        found = [s for n, e in enumerate(entries, start=1) if (s := self._stage(n, e)) is not None]
        names = [s.name for s in found]
        for name in sorted({n for n in names if names.count(n) > 1}):
            self._wrong(f"stage {name}", 'is used twice; give one of them another name with  as = "…"')
        return found

    def _stage(self, number: int, entry: Any) -> PlannedStage | None:
        where = f"stage {number}"
        if not isinstance(entry, Mapping) or not isinstance(entry.get("use"), str):
            self._wrong(where, f'has no  use = "…" ; installed are: {", ".join(sorted(self.registry.plugins))}')
            return None
        use = entry["use"]
        name = str(entry.get("as", use))
        where = f"stage {number} ({name})"
        if not name.isidentifier() or not name.isascii() or len(name) > 40:
            self._wrong(f"{where}.as", "must be a plain name of letters, digits and _, at most 40 characters")
        try:
            stage: type[Stage] = self.registry.get(use).brought
        except PluginInvalid as error:
            self._wrong(f"{where}.use", error.message)
            return None
        opens_at, closes_at, rest = self._window(where, stage, entry)
        settings = self._settings(where, stage, rest)
        on = entry.get("on", {})
        if not isinstance(on, Mapping) or not all(isinstance(v, str) for v in on.values()):
            self._wrong(f"{where}.on", 'must be a table of outcome = "stage"')
            on = {}
        self._outcomes(where, stage, on)
        if settings is None:
            return None
        return PlannedStage(use, name, settings, self._defaulted(where, entry, settings), dict(on), opens_at, closes_at)

    def _defaulted(self, where: str, entry: Mapping[str, Any], settings: BaseModel) -> tuple[str, ...]:
        allowed = list(type(settings).model_fields)
        said = entry.get("defaults")  # a plan's own document says which of its values nobody chose
        if said is None:
            return tuple(n for n in allowed if n not in settings.model_fields_set)
        if not isinstance(said, list) or not all(name in allowed for name in said):
            self._wrong(
                f"{where}.defaults", f"must be a list of settings; this stage has: {', '.join(allowed) or 'none'}"
            )
            return ()
        return tuple(said)

    def _window(self, where: str, stage: type[Stage], entry: Mapping[str, Any]) -> tuple[Any, Any, dict[str, Any]]:
        rest = {k: v for k, v in entry.items() if k not in ("use", "as", "on", "defaults")}
        key = "window" if isinstance(rest.get("window"), Mapping) else "phase"
        table = rest.pop(key, None)
        if key == "window" and rest.pop("phase", None) is not None:
            self._wrong(f"{where}.phase", "says the same as window = { … }; give one of the two")
        if isinstance(rest.get("window"), str) and "window" not in stage.Settings.model_fields:
            self._wrong(f"{where}.window", "this stage has a window from … to …: window = { opens = …, closes = … }")
            rest.pop("window")
        if table is None:
            return None, None, rest
        if not isinstance(table, Mapping):
            self._wrong(f"{where}.{key}", "must be a table { opens = …, closes = … }")
            return None, None, rest
        for name in table:
            if name not in ("opens", "closes"):
                self._unknown(f"{where}.{key}.{name}", name, ("opens", "closes"))
        instants = [self._instant(f"{where}.{key}.{n}", table.get(n)) for n in ("opens", "closes")]
        if instants[0] is not None and instants[1] is not None and instants[1] <= instants[0]:
            self._wrong(f"{where}.{key}", "closes before it opens")
        return instants[0], instants[1], rest

    def _settings(self, where: str, stage: type[Stage], values: dict[str, Any]) -> BaseModel | None:
        model = stage.Settings
        unknown = [k for k in values if k not in model.model_fields]
        for key in unknown:
            self._unknown(f"{where}.{key}", key, (*STAGE_KEYS, *model.model_fields))
        known = {k: v for k, v in values.items() if k not in unknown}
        try:
            return model.model_validate(known)
        except ValidationError as error:
            for problem in error.errors():
                key = ".".join(str(p) for p in problem["loc"])
                self._wrong(f"{where}.{key}", _said(problem))
            return None

    def _outcomes(self, where: str, stage: type[Stage], on: Mapping[str, str]) -> None:
        outcomes = {t.target.name for t in stage.parts(Transition).values() if isinstance(t.target, Outcome)}
        for name in on:
            if name not in outcomes:
                self._unknown(f"{where}.on.{name}", name, sorted(outcomes))

    def _instant(self, where: str, value: Any) -> datetime | None:
        if isinstance(value, str):
            try:
                value = from_text(value)
            except Invalid as error:
                self._wrong(where, error.message)
                return None
        if not isinstance(value, datetime):
            self._wrong(where, "must be a date with a time, for example 2021-09-03T17:30:00")
            return None
        return value if value.tzinfo else value.replace(tzinfo=self.zone)

    def _zone(self) -> ZoneInfo:
        name = self.raw.get("timezone", "Asia/Shanghai")
        try:
            return ZoneInfo(str(name))
        except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: a folder of zones, such as "Asia"
            self._wrong("timezone", f"'{name}' is no time zone; the usual one is Asia/Shanghai")
            return ZoneInfo("Asia/Shanghai")

    def _close_of_business(self) -> time:
        value = self.raw.get("close_of_business", "17:30")
        try:
            hour = value if isinstance(value, time) else time.fromisoformat(value)
            if is_minute(hour):
                return hour
        except (TypeError, ValueError):
            pass
        self._wrong("close_of_business", f"'{value}' is no time of day to the minute; write 17:30:00")
        return time(17, 30)

    def _unknown(self, where: str, key: str, allowed: Sequence[str]) -> None:
        near = get_close_matches(key, allowed, 1)
        hint = f"did you mean '{near[0]}'? " if near else ""
        self._wrong(where, f"is not a key here; {hint}allowed are: {', '.join(allowed) or 'none'}")

    def _wrong(self, where: str, what: str) -> None:
        self.findings.append(Finding(where, what))


def _said(problem: Any) -> str:
    if problem["type"] == "missing":
        return "is missing: this stage has no default for it"
    if problem["type"] == "period_invalid":
        # It says itself what was given, and ends with the marks under the word.
        return str(problem["msg"])
    return f"{problem['msg']} (given: {problem['input']!r})"


def _stage_document(stage: PlannedStage) -> dict[str, Any]:
    settings = stage.settings.model_dump(mode="json")
    phase = {"opens": stage.opens_at, "closes": stage.closes_at}
    table = {k: to_text(v) for k, v in phase.items() if v is not None}
    return {
        "use": stage.use,
        "as": stage.name,
        "on": dict(stage.on),
        "defaults": list(stage.defaulted),
        **({"phase": table} if table else {}),
        **settings,
    }
