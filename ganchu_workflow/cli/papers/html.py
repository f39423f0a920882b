"""公示 and 公布 as papers: stand-alone HTML that prints on A4 in the proportions of GB/T 9704.

They show number, enterprise, product and city of each item and no more. What a demonstration prints carries its mark
on the screen and on every page of paper.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import Environment, PackageLoader, StrictUndefined
from rich.cells import cell_len

from ganchu_workflow.canonical import digest_of
from ganchu_workflow.cli.papers.wording import (
    DEFAULT_ZH,
    Facts,
    date_words,
    defaulted,
    instant_words,
    length_words,
    mark_of,
    places_of,
    rest_days_words,
    zone_of,
)
from ganchu_workflow.errors import Fault, Invalid

_FIELDS = {"enterprise": "企业名称", "product": "产品名称", "city": "所在地"}
_COLUMNS = ("enterprise", "product", "city")
_TYPE_AREA = 442
"""The width of the type area in points: 156 mm."""
_LARGEST_LETTERHEAD = 36
"""The size of the red letterhead in points where the names of the issuers leave room for it."""


class ListAltered(Fault):
    """A frozen list is not the one its digest was taken of: nothing is printed from it."""

    code = "list_altered"


@dataclass(frozen=True, slots=True)
class Desk:
    """Who puts a notice before the public, and where objections to it go.

    What is None is printed as a blank line, to be filled in by hand.
    """

    issuer: str | None = None
    """落款: the office under the notice."""
    unit: str | None = None
    """受理单位."""
    address: str | None = None
    telephone: str | None = None
    mail: str | None = None


DEMONSTRATION_DESK = Desk(
    issuer="演示牵头单位（虚构）",
    unit="演示牵头单位（虚构）异议受理处",
    address="演示市演示路1号（虚构）",
    telephone="0000-0000000（虚构）",
    mail="objection@example.invalid（虚构）",
)
"""The desk of a demonstration: none of it exists."""


def notice_html(
    round_facts: Facts,
    notice_facts: Facts,
    *,
    stage: str = "public_notice",
    state: str = "open_",
    steps: Sequence[str] = (),
    desk: Desk | None = None,
    cities: Mapping[str, str] | None = None,
) -> str:
    """The notice of a published case of the kind `notice`, as one HTML page.

    `stage` is the instance of the plan it belongs to, `state` where it stands (a notice that is down or was dropped
    says so), `steps` the labels of the stages before it, `cities` code → name (None: from the plan). Hours are given
    in the zone of the plan. Raises `Invalid` for a draft, and `ListAltered` when the list is not the one its digest
    was taken of.
    """
    if "list" not in notice_facts:
        raise Invalid("the notice has not been published: a draft has no frozen list to print")
    zone = zone_of(round_facts)
    rows = _rows(notice_facts, _cities(round_facts, cities))
    title, round_title = notice_facts["title"], round_facts["title"]
    return _render(
        "notice.html.j2",
        round_facts,
        titles=[title] if round_title in title else [round_title, title],
        round_title=round_title,
        steps="、".join(steps),
        rows=rows,
        digest=notice_facts["digest"],
        opens=instant_words(notice_facts["opens_at"], zone),
        closes=instant_words(notice_facts["closes_at"], zone),
        counted=_counted(notice_facts),
        changes=[*_extensions(notice_facts, zone), *_interruptions(notice_facts, zone)],
        corrections=_corrections(notice_facts, _cities(round_facts, cities)),
        standing={"down": "本公示现已暂时撤下。", "dropped": "本公示已废止，名单不再有效。"}.get(state, ""),
        desk=desk or _desk_of(round_facts, stage),
        url=notice_facts.get("url"),
        dated_on=date_words(notice_facts["dated_on"]),
        note=_note(
            round_facts,
            {
                "公示期的长度和计算方法": defaulted(round_facts, stage, "window"),
                "异议的提出和受理方式": True,  # the sources on 赣出精品 say nothing of it, and no setting does
            },
        ),
    )


def announcement_html(
    round_facts: Facts,
    announcement_facts: Facts,
    *,
    stage: str = "announcement",
    steps: Sequence[str] = (),
    cities: Mapping[str, str] | None = None,
) -> str:
    """The joint document of a case of the kind `announcement_act`, as one HTML page; parameters as of `notice_html`.

    Raises `ListAltered` when the list is not the one its digest was taken of.
    """
    issuers = announcement_facts["issuers"]
    rows = _rows(announcement_facts, _cities(round_facts, cities))
    return _render(
        "announcement.html.j2",
        round_facts,
        titles=[f"关于公布{round_facts['title']}结果的公告"],
        round_title=round_facts["title"],
        steps="、".join(steps),
        rows=rows,
        digest=announcement_facts["digest"],
        issuers=issuers,
        letterhead_size=round(min(_LARGEST_LETTERHEAD, _TYPE_AREA / (max(map(cell_len, issuers)) / 2 + 2.6)), 1),
        number_width=min(30, max(12, round(max(cell_len(row[0]) for row in rows) * 1.5) + 2)),
        document=announcement_facts["document"],
        dated_on=date_words(announcement_facts["dated_on"]),
        note=_note(round_facts, {"认定编号的格式": defaulted(round_facts, stage, "certificate")}),
    )


def _render(template: str, round_facts: Facts, **values: Any) -> str:
    return _templates().get_template(template).render(mark=mark_of(round_facts), **values)


@cache
def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("ganchu_workflow.cli.papers"),
        autoescape=True,  # by default it depends on the template's name, and ours do not end in .html
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _cities(round_facts: Facts, cities: Mapping[str, str] | None) -> Mapping[str, str]:
    return places_of(round_facts)["city"] if cities is None else cities


def _desk_of(round_facts: Facts, stage: str) -> Desk:
    """The desk that the plan gives; else blank lines, or the one that does not exist for a demonstration."""
    given = next((s.get("desk") for s in round_facts["plan"]["stage"] if s["as"] == stage), None) or {}
    if not any(given.values()) and round_facts["demonstration"]:
        return DEMONSTRATION_DESK
    return Desk(**given)


def _rows(facts: Facts, cities: Mapping[str, str]) -> list[list[str]]:
    """Number, enterprise, product and city: what else a frozen row holds stays inside."""
    if digest_of(facts["list"]) != facts["digest"]:
        raise ListAltered(
            "the frozen list is not the one its digest was taken of; nothing is printed. Run `ganchu audit verify`",
            digest=facts["digest"],
        )
    return [
        [str(number), enterprise or "", product or "", cities.get(city, city or "")]
        for number, _, enterprise, product, city in facts["list"]
    ]


def _counted(facts: Facts) -> str:
    """How the window was counted. An end that was not reckoned from the rule is only said to keep it."""
    length = length_words(facts["rule"])
    if facts["closes_at"] != facts["reckoned"]:
        return f"不少于{length}"
    rest = rest_days_words(facts["days"])
    return f"{length}；{rest}" if rest else length


def _extensions(facts: Facts, zone: ZoneInfo) -> list[str]:
    return [
        f"公示截止时间由{instant_words(e['from'], zone)}延长至{instant_words(e['to'], zone)}。"
        for e in facts.get("extensions", ())
    ]


def _interruptions(facts: Facts, zone: ZoneInfo) -> list[str]:
    return [
        f"公示于{instant_words(i['from'], zone)}暂时撤下，至{instant_words(i['to'], zone)}止。"
        for i in facts.get("interruptions", ())
    ]


def _corrections(facts: Facts, cities: Mapping[str, str]) -> list[str]:
    """Each correction with the spelling before and after it; what came after is what the next one found."""
    now = {(row[0], name): value for row in facts["list"] for name, value in zip(_COLUMNS, row[2:], strict=True)}
    words = []
    for made in reversed(facts.get("corrections", ())):
        at = (made["ordinal"], made["field"])
        was, became = (cities.get(v, v) if made["field"] == "city" else v for v in (made["was"], now[at]))
        now[at] = made["was"]
        words.append(f"第{at[0]}项{_FIELDS[at[1]]}原为“{was}”，更正为“{became}”（{made['document']}）。")
    return words[::-1]


def _note(round_facts: Facts, shown: Mapping[str, bool]) -> str:
    """附注 of a demonstration: which of what the paper shows is a default.

    Empty when nothing is, and on the papers of an office: what it publishes is its own word, and its summary says
    which settings nobody chose.
    """
    if not round_facts["demonstration"]:
        return ""
    names = [name for name, is_default in shown.items() if is_default]
    return f"{'、'.join(names)}为{DEFAULT_ZH}" if names else ""
