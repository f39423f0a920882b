"""What several built-in stages share: the documents of a file, its correction, and a decision with its reason."""

from __future__ import annotations

import unicodedata
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field

from ganchu_stages.credit_code import normalise
from ganchu_workflow.actors import Role
from ganchu_workflow.process.context import Context
from ganchu_workflow.process.deadlines import Deadline, remind, setting
from ganchu_workflow.process.language import WITHDRAWN, Data, Private, Transition
from ganchu_workflow.process.mixins import Correctable, Evidence
from ganchu_workflow.process.values import Effects, Facts


class DocumentKind(StrEnum):
    """What a document proves."""

    TRADEMARK_CERTIFICATE = "trademark_certificate"
    PRODUCTION_LICENCE = "production_licence"
    CCC_CERTIFICATE = "ccc_certificate"
    OTHER = "other"

    @property
    def label(self) -> str:
        """What an official calls it."""
        return _KIND_LABELS[self]


_KIND_LABELS = {
    DocumentKind.TRADEMARK_CERTIFICATE: "商标注册证",
    DocumentKind.PRODUCTION_LICENCE: "生产许可证",
    DocumentKind.CCC_CERTIFICATE: "强制性产品认证(CCC)证书",
    DocumentKind.OTHER: "其他材料",
}


class Document(Evidence):
    """A document of an application's file, with what it proves."""

    kind: DocumentKind


class FileResubmission(Data):
    """The documents that were asked for: they join the file, beside the earlier ones."""

    documents: list[Document] = []
    statement: Annotated[str, Private, Field(max_length=4000)] = ""


class Decision(Data):
    """A decision against an application, or to wait: the code of its ground, and the ground in words."""

    reason_code: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    text: Annotated[str, Private, Field(min_length=1, max_length=2000)]


CORRECTION_ALERTS = (remind("3 working days"), remind("1 calendar day"))
"""When an applicant is reminded of a correction (default, not a rule of 赣出精品)."""


class CorrectableFile(Correctable):
    """退回补正 of a file whose documents say what they prove, so that one asked for can be seen to have come."""

    resubmit = Transition(
        Correctable.correcting,
        Correctable.desk,
        by=Role.APPLICANT,
        data=FileResubmission,
        late_by=Role.OFFICE,
        late_from=WITHDRAWN,
        label="补正提交",
    )

    correction_due = Deadline(
        Correctable.correcting,
        rule=setting("correction"),
        fires=Correctable.give_up,
        admits=resubmit,
        by=Role.OFFICE,
        alerts=CORRECTION_ALERTS,
        label="补正期限",
    )

    @resubmit.effect("new_version")
    def next_version(self, ctx: Context[FileResubmission, Any]) -> Effects:
        """The file has one more version; earlier documents stay in it."""
        facts = ctx.case.facts
        return Effects(facts={"version": facts.get("version", 1) + 1, "documents": file_of(facts, ctx.given)})


def file_of(facts: Facts, given: Facts) -> list[dict[str, Any]]:
    """The documents of the file with those that were given now. One handed in again is there once."""
    before: list[dict[str, Any]] = list(facts.get("documents", ()))
    return before + [d for d in given.get("documents", ()) if d not in before]


def conditional_kinds(facts: Facts) -> list[DocumentKind]:
    """The documents that are needed only because the product is in their scope."""
    scopes = {"licence_in_scope": DocumentKind.PRODUCTION_LICENCE, "ccc_in_scope": DocumentKind.CCC_CERTIFICATE}
    return [kind for flag, kind in scopes.items() if facts.get(flag)]


def lacking(needed: list[DocumentKind], documents: list[dict[str, Any]]) -> list[DocumentKind]:
    """The needed kinds of which the file has no document."""
    present = {d.get("kind") for d in documents}
    return [kind for kind in needed if kind not in present]


def owns_trademark(facts: Facts) -> bool:
    """Whether the trademark's owner is the applicant: the same credit code, or the same name."""
    owner = (facts.get("trademark") or {}).get("owner", "")
    named = bool(owner) and same_name(owner, facts.get("enterprise", ""))
    return named or (bool(owner) and normalise(owner) == facts.get("credit_code"))


def same_name(one: str, other: str) -> bool:
    """Whether two names differ in width, case or blanks at most: `（集团）` is `(集团)`."""
    return _bare(one) == _bare(other)


def _bare(name: str) -> str:
    return "".join(unicodedata.normalize("NFKC", name).casefold().split())
