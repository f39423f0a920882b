"""企业自主申报: an enterprise declares a product, and the office accepts the declaration or does not."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from ganchu_stages import credit_code
from ganchu_stages.declaration_tables import ACCEPTANCE, DECLARATIONS
from ganchu_stages.documents import (
    CORRECTION_ALERTS,
    CorrectableFile,
    Decision,
    Document,
    DocumentKind,
    FileResubmission,
    conditional_kinds,
    file_of,
    lacking,
    owns_trademark,
    same_name,
)
from ganchu_stages.regions import CITIES
from ganchu_workflow.actors import Role
from ganchu_workflow.canonical import digest_of
from ganchu_workflow.errors import Refusal
from ganchu_workflow.process.context import Context
from ganchu_workflow.process.deadlines import Deadline, setting
from ganchu_workflow.process.language import (
    CARRY_ON,
    PASSED,
    START,
    WITHDRAWN,
    Data,
    PhaseWindow,
    Private,
    Stage,
    State,
    Transition,
)
from ganchu_workflow.process.mixins import Correctable, CorrectionSettings
from ganchu_workflow.process.values import CaseView, Effects, Message

Code = Annotated[str, Field(pattern=r"^[A-Z0-9][A-Z0-9-]{0,31}$")]
"""A code of GB/T 2260, or a local one where that list has none: `360100`, `X-GJXQ`."""


class Trademark(Data):
    """The registered trademark of the product. `owner` is the owner's credit code or, as registered, its name."""

    number: Annotated[str, Field(min_length=1, max_length=60)]
    owner: Annotated[str, Field(min_length=1, max_length=200)]


class Declaration(Data):
    """What an enterprise declares of one product.

    `number` is the 申报编号 under which the office files it. `recommender` is the local authority that is to recommend
    it; it does not follow from the address. `credit_code_override` says why the credit code is right although its check
    digit is not, or why there is none.
    """

    number: Annotated[str, Field(min_length=1, max_length=60)] | None = None
    enterprise: Annotated[str, Field(min_length=1, max_length=200)]
    credit_code: Annotated[str, Field(min_length=1, max_length=60)] | None = None
    product: Annotated[str, Field(min_length=1, max_length=200)]
    city: Code
    recommender: Code
    trademark: Trademark
    contact: Annotated[str, Private, Field(min_length=1, max_length=400)]
    ccc_in_scope: bool = False
    licence_in_scope: bool = False
    documents: list[Document] = []
    credit_code_override: Annotated[str, Private, Field(max_length=1000)] = ""


class Submission(Data):
    """真实性承诺: nothing is submitted without it."""

    truthful: Literal[True]


class SelfDeclarationSettings(CorrectionSettings):
    """The settings of 企业自主申报."""

    cities: dict[str, str] = CITIES
    """Where a product may be from: code and name (default, not a rule of 赣出精品)."""
    max_per_enterprise: Annotated[int, Field(ge=1)] | None = None
    """How many products one enterprise may have in the round; None: any number (default, not a rule of 赣出精品)."""


_CONTENT = tuple(Declaration.model_fields)


class SelfDeclaration(CorrectableFile, Stage):
    """企业自主申报.

    A draft is the enterprise's own until it is submitted; what is still a draft when the phase closes lapses. A
    submitted declaration may be returned for correction: its content can then be amended, and it comes back under the
    same conditions as it was first submitted.
    """

    name = "self_declaration"
    label = "企业自主申报"
    indexed = ("number", "credit_code", "product", "enterprise")
    Settings = SelfDeclarationSettings
    tables = (DECLARATIONS, ACCEPTANCE)

    draft = State("草稿", owner=Role.APPLICANT, initial=True)
    submitted = State("已提交", owner=Role.OFFICE)
    not_accepted = State("不予受理", final=True)
    lapsed = State("逾期未提交", final=True)
    desk = submitted

    declare = Transition(START, draft, by=Role.APPLICANT, data=Declaration, late_by=Role.OFFICE, label="填报")
    save = Transition(draft, draft, by=Role.APPLICANT, data=Declaration, label="保存")
    submit = Transition(
        draft,
        submitted,
        by=Role.APPLICANT,
        data=Submission,
        late_by=Role.OFFICE,
        late_from=lapsed,
        label="提交",
    )
    amend = Transition(
        Correctable.correcting, Correctable.correcting, by=Role.APPLICANT, data=Declaration, label="修改"
    )
    resubmit = Transition(
        Correctable.correcting,
        submitted,
        by=Role.APPLICANT,
        data=FileResubmission,
        late_by=Role.OFFICE,
        late_from=WITHDRAWN,
        label="补正提交",
    )
    accept = Transition(submitted, PASSED, by=Role.OFFICE, label="受理")
    refuse = Transition(submitted, not_accepted, by=Role.OFFICE, data=Decision, label="不予受理")
    lapse = Transition(draft, lapsed, by=Role.ENGINE, label="逾期未提交")

    correction_due = Deadline(
        Correctable.correcting,
        rule=setting("correction"),
        fires=Correctable.give_up,
        admits=(resubmit, amend),
        by=Role.OFFICE,
        alerts=CORRECTION_ALERTS,
        label="补正期限",
    )
    phase = PhaseWindow(
        admits=(declare, save, submit),
        at_close={draft: lapse, submitted: CARRY_ON, Correctable.correcting: CARRY_ON},
    )

    @declare.guard("credit_code")
    @save.guard("credit_code")
    @amend.guard("credit_code")
    def sound_credit_code(self, ctx: Context[Declaration, SelfDeclarationSettings]) -> Refusal | None:
        """The credit code has the shape of GB 32100; a check digit that does not fit needs a reason."""
        flaw = _flaw_of(ctx.data)
        if flaw is None or (flaw.overrulable and ctx.data.credit_code_override):
            return None
        if flaw.overrulable:
            return Refusal(
                f"credit_code_{flaw.name}",
                f"{flaw.zh};如确认无误,请说明理由",
                f"{flaw.en}; if the code is right all the same, say why in credit_code_override",
                flaw.detail,
            )
        return Refusal("credit_code_invalid", flaw.zh, flaw.en, {"flaw": flaw.name, **flaw.detail})

    @declare.guard("known_places")
    @save.guard("known_places")
    @amend.guard("known_places")
    def known_places(self, ctx: Context[Declaration, SelfDeclarationSettings]) -> Refusal | None:
        """The city is one of the round's, and where the plan registers recommenders, so is the recommender."""
        registers = [s.settings.recommenders for s in ctx.process.stages if hasattr(s.settings, "recommenders")]
        recommenders = {code: name for register in registers for code, name in register.items()}
        for field, code, known in (
            ("city", ctx.data.city, ctx.settings.cities),
            ("recommender", ctx.data.recommender, recommenders),
        ):
            if known and code not in known:
                what = {"city": "所在地", "recommender": "推荐单位"}[field]
                return Refusal(
                    f"{field}_unknown",
                    f"{what}代码{code}不在本批次名单中",
                    f"the {field} {code} is not one of this round's: {', '.join(known)}",
                    {field: code},
                )
        return None

    @declare.guard("one_number_each")
    @save.guard("one_number_each")
    @amend.guard("one_number_each")
    def one_number_each(self, ctx: Context[Declaration, SelfDeclarationSettings]) -> Refusal | None:
        """No two applications of a round have one 申报编号."""
        number = ctx.data.number
        others = [a for a in ctx.having("number", number) if a.id != ctx.case.id] if number else []
        if not others:
            return None
        return Refusal(
            "number_taken",
            f"申报编号{number}已被使用",
            f"another application of this round has the number {number}",
            {"number": number, "case": others[0].id},
        )

    @declare.effect("keep_content")
    @save.effect("keep_content")
    def keep_content(self, ctx: Context[Declaration, SelfDeclarationSettings]) -> Effects:
        """The draft holds what was declared last; the recommender named is a party to the application."""
        return _kept(ctx, list(ctx.given["documents"]))

    @amend.effect("amend_content")
    def amend_content(self, ctx: Context[Declaration, SelfDeclarationSettings]) -> Effects:
        """The content is replaced, but a document once submitted stays in the file."""
        return _kept(ctx, file_of(ctx.case.facts, ctx.given))

    @submit.guard("trademark_owner")
    @resubmit.guard("trademark_owner")
    def own_trademark(self, ctx: Context[Any, SelfDeclarationSettings]) -> Refusal | None:
        """The owner of the trademark is the applicant."""
        if owns_trademark(ctx.case.facts):
            return None
        return Refusal(
            "trademark_owner",
            "商标注册人应为申报企业",
            "the owner of the trademark must be the applicant itself",
            {"owner": ctx.case.facts["trademark"]["owner"], "enterprise": ctx.case.facts["enterprise"]},
        )

    @submit.guard("evidence")
    @resubmit.guard("evidence")
    def evidence_complete(self, ctx: Context[Any, SelfDeclarationSettings]) -> Refusal | None:
        """The trademark certificate is there, and the licence and the CCC certificate where the product needs them."""
        needed = [DocumentKind.TRADEMARK_CERTIFICATE, *conditional_kinds(ctx.case.facts)]
        missing = lacking(needed, file_of(ctx.case.facts, ctx.given))
        if not missing:
            return None
        return Refusal(
            "evidence_missing",
            f"缺少材料:{'、'.join(kind.label for kind in missing)}",
            f"documents are missing: {', '.join(missing)}",
            {"missing": [kind.value for kind in missing]},
        )

    @submit.guard("one_declaration_per_product")
    @resubmit.guard("one_declaration_per_product")
    def not_declared_already(self, ctx: Context[Any, SelfDeclarationSettings]) -> Refusal | None:
        """An enterprise has a product in the round once. Drafts do not count: what is submitted first stands."""
        product = ctx.case.facts["product"]
        for other in self._others(ctx):
            if same_name(other.facts["product"], product):
                return Refusal(
                    "product_declared_already",
                    f"本企业的“{product}”在本批次中已申报",
                    f"the enterprise has already declared {product!r} in this round",
                    {"case": other.id},
                )
        return None

    @submit.guard("enterprise_cap")
    @resubmit.guard("enterprise_cap")
    def within_cap(self, ctx: Context[Any, SelfDeclarationSettings]) -> Refusal | None:
        """An enterprise has no more products in the round than the settings allow."""
        cap, held = ctx.settings.max_per_enterprise, len(self._others(ctx))
        if cap is None or held < cap:
            return None
        return Refusal(
            "enterprise_cap_reached",
            f"每家企业限申报{cap}项,本企业已申报{held}项",
            f"an enterprise may declare {cap} product(s); this one already has {held} in the round",
            {"allowed": cap, "held": held},
        )

    @submit.effect("receive")
    def receive(self, ctx: Context[Submission, SelfDeclarationSettings]) -> Effects:
        """The first version of the file is with the office, and the enterprise is told that it was received."""
        body = {"product": ctx.case.facts["product"]}
        return Effects(
            facts={"truthful": ctx.given["truthful"], "version": 1},
            tell=[Message("declaration_received", to=Role.APPLICANT, body=body)],
        )

    @resubmit.effect("new_version")
    def receive_again(self, ctx: Context[FileResubmission, SelfDeclarationSettings]) -> Effects:
        """The next version of the file is with the office."""
        return self.next_version(ctx)

    @accept.effect("keep_accepted")
    def keep_accepted(self, ctx: Context[Any, SelfDeclarationSettings]) -> Effects:
        """The content stays as it is; its version and digest say what was accepted; the enterprise is told."""
        content = {name: ctx.case.facts[name] for name in _CONTENT}
        accepted = {"version": ctx.case.facts["version"], "digest": digest_of(content)}
        return Effects(facts={"accepted": accepted}, tell=[Message("declaration_accepted", to=Role.APPLICANT)])

    @refuse.effect("say_why")
    def say_why(self, ctx: Context[Decision, SelfDeclarationSettings]) -> Effects:
        """The ground is kept, and the enterprise is told."""
        code = ctx.given["reason_code"]
        return Effects(
            facts={"not_accepted": code, "not_accepted_text": ctx.given["text"]},
            tell=[Message("declaration_not_accepted", to=Role.APPLICANT, body={"reason_code": code})],
        )

    @lapse.effect("tell_lapsed")
    def tell_lapsed(self, ctx: Context[Any, SelfDeclarationSettings]) -> Effects:
        """The enterprise is told that its draft came to nothing."""
        body = {"product": ctx.case.facts["product"]}
        return Effects(tell=[Message("declaration_lapsed", to=Role.APPLICANT, body=body)])

    def _others(self, ctx: Context[Any, SelfDeclarationSettings]) -> list[CaseView]:
        """The other applications of the enterprise that have been submitted and are still in the round.

        One enterprise is one credit code; where either of two applications has none, one name.
        """
        code, name = ctx.case.facts["credit_code"], ctx.case.facts["enterprise"]
        same = [a for a in ctx.having("enterprise", name) if not (code and a.facts.get("credit_code"))]
        same += ctx.having("credit_code", code) if code else []
        found = [a for a in {a.id: a for a in same}.values() if a.id != ctx.case.id]
        counted = (self.submitted, self.correcting)
        return [a for a in found if any(ctx.stands_in(a, s) for s in counted) or ctx.holds_a_place(a)]


def _flaw_of(declared: Declaration) -> credit_code.Flaw | None:
    if declared.credit_code is None:
        return credit_code.MISSING
    return credit_code.check(credit_code.normalise(declared.credit_code))


def _kept(ctx: Context[Declaration, SelfDeclarationSettings], documents: list[dict[str, Any]]) -> Effects:
    flaw = _flaw_of(ctx.data)
    return Effects(
        facts={
            **ctx.given,
            "credit_code": credit_code.normalise(ctx.data.credit_code) if ctx.data.credit_code else None,
            "documents": documents,
            "credit_code_override": ctx.given["credit_code_override"] if flaw else None,
            "warnings": [{"code": f"credit_code_{flaw.name}", **flaw.detail}] if flaw else [],
        },
        parties={Role.LOCAL_AUTHORITY: ctx.data.recommender},
    )
