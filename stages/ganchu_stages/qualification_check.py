"""资格审查: the office checks whether applicant and product may take part, rule by rule."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, field_validator

from ganchu_stages.check_tables import CHECKS
from ganchu_stages.credit_code import registration_area
from ganchu_stages.documents import (
    CorrectableFile,
    Decision,
    FileResubmission,
    conditional_kinds,
    lacking,
    owns_trademark,
)
from ganchu_workflow.actors import Role
from ganchu_workflow.errors import Refusal
from ganchu_workflow.process.context import Context
from ganchu_workflow.process.deadlines import Deadline, escalate, remind, setting
from ganchu_workflow.process.language import (
    CARRY_ON,
    PASSED,
    Data,
    PhaseWindow,
    Private,
    Stage,
    State,
    Transition,
)
from ganchu_workflow.process.mixins import Correctable, CorrectionSettings
from ganchu_workflow.process.values import Effects, Facts, Message, Reversal
from ganchu_workflow.timing import Limit, Period

JIANGXI = "36"
"""How the area codes of Jiangxi begin (GB/T 2260)."""


class Result(StrEnum):
    """What a rule finds."""

    PASS = "pass"
    FAIL = "fail"
    PERSON = "person"
    """The facts do not decide it: a person must."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a rule found, why, and on what facts."""

    result: Result
    zh: str
    en: str
    evidence: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class QualificationRule:
    """One condition of taking part: a pure function of the application's facts.

    A change of what it finds is a new version; its verdict is kept with both.
    """

    id: str
    version: int
    label: str
    examine: Callable[[Facts], Verdict]


def _legal_person(facts: Facts) -> Verdict:
    area = registration_area(facts.get("credit_code") or "")
    if area.startswith(JIANGXI):
        return Verdict(Result.PASS, "登记地在江西省", "registered in Jiangxi", {"area": area})
    return Verdict(
        Result.PERSON,
        "登记机关不在江西省,须人工核实是否为本省独立法人",
        "not registered in Jiangxi: a person must find whether it is a legal person established there",
        {"area": area},
    )


def _trademark_owner(facts: Facts) -> Verdict:
    evidence = {"owner": (facts.get("trademark") or {}).get("owner"), "enterprise": facts.get("enterprise")}
    if owns_trademark(facts):
        return Verdict(Result.PASS, "商标注册人为申报企业", "the trademark is the applicant's", evidence)
    return Verdict(Result.FAIL, "商标注册人不是申报企业", "the trademark is not the applicant's", evidence)


def _conditional_evidence(facts: Facts) -> Verdict:
    needed = conditional_kinds(facts)
    missing = lacking(needed, list(facts.get("documents", ())))
    evidence = {"needed": [k.value for k in needed], "missing": [k.value for k in missing]}
    if missing:
        names = "、".join(k.label for k in missing)
        return Verdict(Result.FAIL, f"缺少{names}", f"documents are missing: {', '.join(missing)}", evidence)
    return Verdict(Result.PASS, "所需证照齐全", "the certificates that are needed are there", evidence)


def _clean_record(facts: Facts) -> Verdict:
    checked = facts.get("checked")
    if checked is None:
        return Verdict(Result.PERSON, "尚未核查信用与事故情况", "its record has not been looked up yet")
    found = [name for name in BLEMISHES if checked[name]]
    if found:
        names = "、".join(BLEMISHES[name] for name in found)
        return Verdict(Result.FAIL, f"经核查有:{names}", f"found on record: {', '.join(found)}", {"found": found})
    return Verdict(Result.PASS, "经核查无不良记录", "nothing is found on record", {"found": []})


RULES = (
    QualificationRule("legal_person", 1, "在江西省依法设立的独立法人", _legal_person),
    QualificationRule("trademark_owner", 1, "商标注册人为申报企业", _trademark_owner),
    QualificationRule("conditional_evidence", 1, "应具备的强制性认证、生产许可", _conditional_evidence),
    QualificationRule("clean_record", 1, "无经营异常、失信欠税、事故、停产记录", _clean_record),
)
"""The rules that come with the stage: the conditions of 赣出精品 that facts can decide, and `clean_record`, which other
schemes of the kind have and a plan may name (not a rule of 赣出精品)."""

# The versions of the rules are part of the guard's, so that the fingerprint of the process covers them.
_VERSION = sum(rule.version for rule in RULES)


BLEMISHES = {"abnormal": "经营异常", "dishonest": "失信或欠税", "accident": "安全质量环保事故", "stopped": "停产"}
"""What `CheckedFacts` can hold against an enterprise."""


class CheckedFacts(Data):
    """What the office has looked up about an enterprise, and what a person found where a rule cannot decide."""

    abnormal: bool
    """It is on the list of abnormal operations (经营异常)."""
    dishonest: bool
    """It is on a list of dishonesty, or owes taxes (失信或欠税)."""
    accident: bool
    """It has had an accident of safety, quality or environment (安全质量环保事故)."""
    stopped: bool
    """It has stopped production (停产)."""
    findings: dict[str, Literal["pass", "fail"]] = {}
    note: Annotated[str, Private, Field(max_length=2000)] = ""


class Qualification(Data):
    """What a person found where a rule could not decide, by the rule's id; `note` says on what ground."""

    findings: dict[str, Literal["pass", "fail"]] = {}
    note: Annotated[str, Private, Field(max_length=2000)] = ""


class QualificationCheckSettings(CorrectionSettings):
    """The settings of 资格审查. Silence in the correction is deemed withdrawal."""

    known: ClassVar[tuple[QualificationRule, ...]] = RULES
    """The rules that `rules` may name; a stage of one's own may know more, and then says so in its own `rules`."""

    rules: Annotated[list[str], Field(min_length=1)] = ["legal_person", "trademark_owner", "conditional_evidence"]
    """The rules that are applied, in this order."""
    office_limit: Limit | None = Period.parse("7 working days")
    """How long the office has to check; the correction stops it; None: as long as it takes (default, not a rule of
    赣出精品)."""
    reconsideration: Limit = Period.parse("5 working days")
    """How long a disqualification can be reconsidered (default, not a rule of 赣出精品)."""

    @field_validator("rules")
    @classmethod
    def rules_are_known(cls, rules: list[str]) -> list[str]:
        """A rule that does not exist, or is named twice, is a mistake of the plan."""
        known = [rule.id for rule in cls.known]
        unknown = [r for r in rules if r not in known]
        if unknown:
            raise ValueError(f"there is no rule {', '.join(unknown)}; there are: {', '.join(known)}")
        if len(set(rules)) < len(rules):
            raise ValueError("a rule is named twice")
        return rules

    def applied(self) -> list[QualificationRule]:
        """The rules that `rules` names."""
        by_id = {rule.id: rule for rule in self.known}
        return [by_id[rule_id] for rule_id in self.rules]


class QualificationCheck(CorrectableFile, Stage):
    """资格审查.

    The rules say pass, fail, or that a person must find; with a failed one nobody qualifies. The office's own time
    stands still while the applicant corrects. A disqualification can be reconsidered for a while.
    """

    name = "qualification_check"
    label = "资格审查"
    Settings = QualificationCheckSettings
    tables = (CHECKS,)
    rules = {rule.id: rule.version for rule in RULES}

    checking = State("审查中", owner=Role.OFFICE, initial=True)
    deferred = State("暂缓", owner=Role.OFFICE)
    disqualified = State("不合格", final=True)
    deemed_withdrawn = State("视为撤回", final=True)
    desk = checking

    qualify = Transition(checking, PASSED, by=Role.OFFICE, data=Qualification, label="审查合格")
    record = Transition(checking, checking, by=Role.OFFICE, data=CheckedFacts, label="登记核查")
    disqualify = Transition(checking, disqualified, by=Role.OFFICE, data=Decision, label="审查不合格")
    defer = Transition(checking, deferred, by=Role.OFFICE, data=Decision, label="暂缓")
    resume = Transition(deferred, checking, by=Role.OFFICE, label="恢复审查")
    give_up = Transition(Correctable.correcting, deemed_withdrawn, by=Role.CLOCK, label="逾期视为撤回")
    resubmit = Transition(
        Correctable.correcting,
        checking,
        by=Role.APPLICANT,
        data=FileResubmission,
        late_by=Role.OFFICE,
        late_from=deemed_withdrawn,
        label="补正提交",
    )
    overdue = Transition(checking, checking, by=Role.CLOCK, label="逾期提示")
    reconsider = Transition(disqualified, checking, by=Role.OFFICE, data=Reversal, reopens=True, label="复核")

    office_limit = Deadline(
        checking,
        rule=setting("office_limit"),
        fires=overdue,
        stops_in=(Correctable.correcting, deferred),
        by=Role.SUPERVISOR,
        alerts=(
            remind("1 working day"),
            escalate("1 working day", to=Role.OFFICE),
            escalate("3 working days", to=Role.SUPERVISOR),
        ),
        label="审查期限",
    )
    reconsideration = Deadline(disqualified, rule=setting("reconsideration"), admits=reconsider, label="申请复核期限")
    phase = PhaseWindow(at_close={checking: CARRY_ON, Correctable.correcting: CARRY_ON, deferred: CARRY_ON})

    @resubmit.effect("new_version")
    def receive_again(self, ctx: Context[FileResubmission, QualificationCheckSettings]) -> Effects:
        """The next version of the file is with the office."""
        return self.next_version(ctx)

    @record.effect("keep_what_was_found")
    def keep_what_was_found(self, ctx: Context[CheckedFacts, QualificationCheckSettings]) -> Effects:
        """What was looked up stands with the application; what is looked up again replaces it, and both are in its
        history."""
        return Effects(facts={"checked": ctx.given})

    @record.guard("findings_are_asked_for", version=_VERSION)
    @qualify.guard("findings_are_asked_for", version=_VERSION)
    def findings_are_asked_for(self, ctx: Context[Any, QualificationCheckSettings]) -> Refusal | None:
        """A person finds only what a rule leaves to a person, and says on what ground."""
        asked = [rule.id for rule, verdict in _verdicts(ctx) if verdict.result is Result.PERSON]
        beside = sorted(set(ctx.data.findings) - set(asked))
        if beside:
            return Refusal(
                "finding_not_asked_for",
                f"下列规则无须人工认定:{'、'.join(beside)}",
                f"these rules leave nothing to a person: {', '.join(beside)}",
                {"rules": beside},
            )
        if ctx.data.findings and not ctx.data.note:
            return Refusal(
                "finding_without_ground", "人工认定须说明依据", "say in the note on what ground a person found so"
            )
        return None

    @qualify.guard("rules_pass", version=_VERSION)
    def rules_pass(self, ctx: Context[Qualification, QualificationCheckSettings]) -> Refusal | None:
        """No rule fails, and a person has found for each that cannot decide."""
        failed, open_ = [], []
        findings = _findings(ctx)
        for rule, verdict in _verdicts(ctx):
            found = findings.get(rule.id)
            if verdict.result is Result.FAIL or found == "fail":
                failed.append((rule, verdict))
            elif verdict.result is Result.PERSON and found is None:
                open_.append((rule, verdict))
        for code, zh, en, rules in (
            ("rule_failed", "不符合申报条件", "conditions are not met", failed),
            ("finding_needed", "须人工认定", "a person must find", open_),
        ):
            if rules:
                return Refusal(
                    code,
                    f"{zh}:{';'.join(f'{rule.label}({verdict.zh})' for rule, verdict in rules)}",
                    f"{en}: {'; '.join(f'{rule.id} ({verdict.en})' for rule, verdict in rules)}",
                    {"rules": [rule.id for rule, _ in rules]},
                )
        return None

    @qualify.effect("keep_verdicts", version=_VERSION)
    def keep_verdicts(self, ctx: Context[Qualification, QualificationCheckSettings]) -> Effects:
        """Each rule's verdict is kept with the rule's version, and what a person found beside it."""
        facts: dict[str, Any] = {"qualification": _documented(ctx, _findings(ctx))}
        if ctx.data.note:
            facts["qualification_note"] = ctx.given["note"]
        return Effects(facts=facts)

    @disqualify.effect("keep_reason", version=_VERSION)
    def keep_disqualification(self, ctx: Context[Decision, QualificationCheckSettings]) -> Effects:
        """The ground is kept with what the rules said. Nobody is told before the results are announced."""
        return Effects(
            facts={
                "disqualified": ctx.given["reason_code"],
                "disqualified_text": ctx.given["text"],
                "qualification": _documented(ctx, {}),
            }
        )

    @defer.effect("keep_reason")
    def keep_deferral(self, ctx: Context[Decision, QualificationCheckSettings]) -> Effects:
        """The ground for waiting is kept."""
        return Effects(facts={"deferred": ctx.given["reason_code"], "deferred_text": ctx.given["text"]})

    @reconsider.effect("keep_both")
    def keep_both(self, ctx: Context[Reversal, QualificationCheckSettings]) -> Effects:
        """The check begins anew; the disqualification and the document that lifted it are both kept."""
        lifted = {"document": ctx.given["document"], "disqualified": ctx.case.facts["disqualified"]}
        return Effects(
            facts={
                "reconsidered": [*ctx.case.facts.get("reconsidered", []), lifted],
                "reconsidered_text": ctx.given["reason"],
                "disqualified": None,
            }
        )

    @overdue.effect("urge")
    def urge(self, ctx: Context[Any, QualificationCheckSettings]) -> Effects:
        """The office and the supervisor are told that the check is late; the application stays where it is."""
        body = {"limit": str(ctx.settings.office_limit)}
        return Effects(tell=[Message("check_overdue", to=role, body=body) for role in (Role.OFFICE, Role.SUPERVISOR)])

    @give_up.effect("tell_withdrawn")
    def tell_withdrawn(self, ctx: Context[Any, QualificationCheckSettings]) -> Effects:
        """The applicant is told that its silence was taken for withdrawal."""
        return Effects(tell=[Message("deemed_withdrawn", to=Role.APPLICANT)])


def _verdicts(ctx: Context[Any, QualificationCheckSettings]) -> list[tuple[QualificationRule, Verdict]]:
    return [(rule, rule.examine(ctx.case.facts)) for rule in ctx.settings.applied()]


def _findings(ctx: Context[Qualification, QualificationCheckSettings]) -> dict[str, str]:
    """What persons have found, recorded before or given now, where a rule cannot decide."""
    recorded = (ctx.case.facts.get("checked") or {}).get("findings", {})
    asked = {rule.id for rule, verdict in _verdicts(ctx) if verdict.result is Result.PERSON}
    return {rule: found for rule, found in {**recorded, **ctx.data.findings}.items() if rule in asked}


def _documented(ctx: Context[Any, QualificationCheckSettings], findings: Mapping[str, str]) -> list[dict[str, Any]]:
    return [
        {
            "rule": rule.id,
            "version": rule.version,
            "verdict": verdict.result.value,
            "finding": findings.get(rule.id),
            "evidence": dict(verdict.evidence),
        }
        for rule, verdict in _verdicts(ctx)
    ]
