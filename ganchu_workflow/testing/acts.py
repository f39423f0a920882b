"""The acts of the stages that come with the library, each by its everyday name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from ganchu_workflow.actors import Actor, Role
from ganchu_workflow.engine.events import Receipt
from ganchu_workflow.process.values import CaseView
from ganchu_workflow.testing.base import NotAsScripted, Script
from ganchu_workflow.testing.samples import (
    CITY,
    INVENTED,
    authority,
    citizen,
    declaration_of,
    department,
    expert,
    firm,
)
from ganchu_workflow.workflow import Case


class Acts(Script):
    """A script with the acts of 赣出精品: each method is one act through the facade, or acts that go together."""

    departments: Sequence[str] = ("ENV",)
    """Who is asked by a consultation letter that names nobody."""

    @cached_property
    def city(self) -> str:
        """The city of a declaration that names none: the first in the plan that may recommend something."""
        for stage in self.process.stages:
            for code in {**getattr(stage.settings, "quota", {}), **getattr(stage.settings, "recommenders", {})}:
                return str(code)
        return CITY

    @cached_property
    def pool(self) -> list[str]:
        """The experts from whom a panel is drawn: more than any panel of the plan needs."""
        size = max([9, *(getattr(stage.settings, "panel_size", 0) + 4 for stage in self.process.stages)])
        return [f"expert-{number}" for number in range(1, size + 1)]

    def _stage(self, use: str, *cases: Case) -> str:
        """The instance of a stage where the first of these cases stands; else the only one there is."""
        instances = [stage.name for stage in self.process.stages if stage.stage.name == use]
        here = self.case(cases[0]).stage if cases and len(instances) > 1 else ""
        if here in instances:
            return here
        if len(instances) == 1:
            return instances[0]
        if instances:
            raise NotAsScripted(f"the plan uses {use} more than once: say stage= one of {', '.join(instances)}")
        raise NotAsScripted(f"the plan has no stage {use}; it has: {', '.join(self.process.stage_names)}")

    # ── 企业自主申报 ──

    def draft(self, *names: str, city: str = "", **changed: Any) -> None:
        """Each enterprise declares its product; it stays a draft. `changed` are fields that differ from the sample."""
        __tracebackhide__ = True
        for name in names:
            if name in self.apps:
                raise NotAsScripted(f"'{name}' is declared already: it stands in {self.state(name)}")
            sample = self._declaration(name) if self._declaration else declaration_of(name, city or self.city)
            self.apps[name] = self.open("application", firm(name), **{**sample, **changed}).case_id

    def submit(self, *names: str) -> None:
        """Each enterprise submits its declaration."""
        __tracebackhide__ = True
        for name in names:
            self.fire(name, "submit", firm(name), truthful=True)

    def declare(self, *names: str, city: str = "", **changed: Any) -> None:
        """Each enterprise declares its product and submits it."""
        __tracebackhide__ = True
        self.draft(*names, city=city, **changed)
        self.submit(*names)

    def accept(self, *names: str) -> None:
        """The office accepts what was submitted."""
        __tracebackhide__ = True
        self.fire_each(names, "accept", self.office)

    # ── 地方推荐, 资格审查 ──

    def recommend(self, *names: str, by: Actor | None = None, letter: str = "虚构荐〔1〕号") -> Receipt:
        """A local authority draws up and issues a letter that ranks these applications as they are named.

        By default it is the authority of the first one's city.
        """
        __tracebackhide__ = True
        code = self.case(names[0]).parties[Role.LOCAL_AUTHORITY] if names else self.city
        actor = by or authority(code)
        drawn_up = self.open("recommendation", actor)
        ranks = {self.id(name): rank for rank, name in enumerate(names, start=1)}
        self.fire(drawn_up, "issue", actor, letter=letter, ranks=ranks)
        return drawn_up

    def qualify(self, *names: str, **found: Any) -> None:
        """The office finds that these qualify; `found` is what a person finds where a rule asks for it."""
        __tracebackhide__ = True
        self.fire_each(names, "qualify", self.office, **found)

    # ── 专家评审 ──

    def convene(self, *names: str, **more: Any) -> Receipt:
        """A panel is convened and drawn; its experts have been invited."""
        __tracebackhide__ = True
        stage = self._stage("expert_review", *names)
        panel = self.open("panel", self.office, names, stage=stage, **{"pool": self.pool} | more)
        self.fire(panel, "draw", self.supervisor, ballot="07-13-21", witness=f"公证员{INVENTED}")
        return panel

    def staff(self, panel: Case) -> None:
        """Whoever has been invited accepts."""
        __tracebackhide__ = True
        for seat in self.children(panel, "seat", "invited"):
            self.fire(seat, "accept", expert(seat.parties[Role.EXPERT]))

    def panel(self, *names: str, conflicts: Mapping[str, Sequence[str]] | None = None, **more: Any) -> Receipt:
        """A panel that has begun: every application has its sheets. `conflicts`: name → experts who may not see it."""
        __tracebackhide__ = True
        panel = self.convene(*names, **more)
        self.staff(panel)
        known = {self.id(name): list(experts) for name, experts in (conflicts or {}).items()}
        self.fire(panel, "begin", self.office, conflicts=known)
        return panel

    def panel_of(self, name: Case) -> str:
        """The id of the panel that has taken an application."""
        __tracebackhide__ = True
        taken = self.facts(name).get("panel", {}).get(self._stage("expert_review", name))
        if taken is None:
            raise NotAsScripted(f"no panel has taken {self.explain(name)}")
        return str(taken)

    def sheets(self, name: Case, state: str | None = None) -> list[CaseView]:
        """The sheets of an application from its present panel, in the order of the experts' references."""
        __tracebackhide__ = True
        panel = self.panel_of(name)
        sheets = [sheet for sheet in self.children(name, "sheet", state) if sheet.of == panel]
        return sorted(sheets, key=lambda sheet: sheet.parties[Role.EXPERT])

    def score(self, name: Case, *totals: int) -> None:
        """One total for each sheet that waits, in their order, the same in every dimension; none: 90 for each."""
        __tracebackhide__ = True
        waiting = self.sheets(name, "assigned")
        if totals and len(totals) != len(waiting):
            raise NotAsScripted(f"{len(waiting)} sheet(s) wait for a score, and {len(totals)} are given: {totals}")
        settings: Any = self.process.stage(self._stage("expert_review", name)).settings
        for sheet, total in zip(waiting, totals or [90] * len(waiting), strict=True):
            scores = dict.fromkeys(settings.weights, total)
            self.fire(sheet, "score", expert(sheet.parties[Role.EXPERT]), scores=scores)

    def recuse_late(self, sheet: Case) -> None:
        """A conflict is found after the expert has scored: the sheet is void; a panel that has ranked ranks again."""
        __tracebackhide__ = True
        ground = {"document": "虚构监〔1〕号", "reason": "事后发现", "ground": "三年内任顾问"}
        self.fire(sheet, "recuse_late", self.supervisor, **ground)

    def rank(self, *names: Case, **more: Any) -> None:
        """Each panel that has taken one of these ranks all it has taken."""
        __tracebackhide__ = True
        for panel in dict.fromkeys(self.panel_of(name) for name in names):
            self.fire(panel, "rank", self.office, **more)

    # ── 征求部门意见, 审议 ──

    def consult(
        self, *names: str, departments: Sequence[Actor | str] = (), document: str = "虚构征〔1〕号", **more: Any
    ) -> Receipt:
        """A consultation letter goes out to these departments."""
        __tracebackhide__ = True
        asked = [_code(each) for each in departments or self.departments]
        stage = self._stage("department_consultation", *names)
        return self.open(
            "consultation_letter", self.office, names, stage=stage, document=document, departments=asked, **more
        )

    def consultation(self, name: Case, department: Actor | str) -> CaseView:
        """The latest consultation of a department about an application."""
        __tracebackhide__ = True
        asked = self.children(name, "consultation")
        found = [case for case in asked if case.parties[Role.DEPARTMENT] == _code(department)]
        if not found:
            raise NotAsScripted(f"{_code(department)} was not asked about {self.explain(name)}")
        return found[-1]

    def reply(self, name: Case, by: Actor | str = "", trigger: str = "agree", **more: Any) -> None:
        """A department replies, under a number of its own; without `by`, all that have not answered yet."""
        __tracebackhide__ = True
        open_ = [c for c in self.children(name, "consultation") if not self.process.is_final(c)]
        asked = [self.consultation(name, by)] if by else open_
        if not asked:
            raise NotAsScripted(f"no department has still to answer about {self.explain(name)}")
        for case in asked:
            code = case.parties[Role.DEPARTMENT]
            self.fire(case, trigger, department(code), **{"document": f"{code}〔1〕号"} | more)

    def approve(self, *names: Case, document: str = "虚构审〔1〕号") -> None:
        """The meeting approves of these."""
        __tracebackhide__ = True
        self.fire_each(names, "approve", self.office, document=document)

    # ── 公示, 公布 ──

    def draft_notice(self, *names: str, title: str = f"公示{INVENTED}", stage: str = "") -> Receipt:
        """A notice of these applications is drafted."""
        __tracebackhide__ = True
        where = stage or self._stage("public_notice", *names)
        return self.open("notice", self.office, names, stage=where, title=title, dated_on=self._today())

    def notice(self, *names: str, title: str = f"公示{INVENTED}", stage: str = "", **printed: Any) -> Receipt:
        """A notice of these applications is drafted and published at once."""
        __tracebackhide__ = True
        drafted = self.draft_notice(*names, title=title, stage=stage)
        self.fire(drafted, "publish", self.office, **printed)
        return drafted

    def object(self, name: Case, notice: Case, who: str = "一", **more: Any) -> Receipt:
        """Somebody of the public objects to an application, under their name."""
        __tracebackhide__ = True
        filing: dict[str, Any] = {
            "ground": f"{self.name(name)}不实的说明{INVENTED}",
            "name": f"公民{who}{INVENTED}",
            "contact": f"地址{INVENTED}",
            "signed": True,
        }
        return self.open("objection", citizen(who), parent=name, of=notice, **filing | more)

    def announce(self, *names: str, document: str = "虚构布〔1〕号") -> Receipt:
        """One document announces these applications."""
        __tracebackhide__ = True
        issuers = [f"甲厅{INVENTED}", f"乙局{INVENTED}"]
        return self.open(
            "announcement_act", self.office, names, document=document, issuers=issuers, dated_on=self._today()
        )

    def recognition(self, name: Case) -> CaseView:
        """The recognition that an announced application has been given."""
        __tracebackhide__ = True
        given = self.children(name, "recognition")
        if not given:
            raise NotAsScripted(f"no recognition was given to {self.explain(name)}")
        return given[0]

    def _today(self) -> str:
        return self.now.astimezone(self.zone).date().isoformat()


def _code(asked: Actor | str) -> str:
    return asked.scope if isinstance(asked, Actor) else asked
