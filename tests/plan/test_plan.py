"""Reading a plan: what is wrong with it is said all at once, with the key and what is allowed; what is not said is a
default and listed as one.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta, timezone
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field

from ganchu_workflow.actors import Role
from ganchu_workflow.canonical import decode, encode
from ganchu_workflow.errors import DefinitionInvalid, PlanInvalid
from ganchu_workflow.plan import Plan, read_plan
from ganchu_workflow.plugins import Registry
from ganchu_workflow.process import CARRY_ON, PASSED, START, Outcome, PhaseWindow, Stage, State, Transition
from ganchu_workflow.process.fingerprint import fingerprint
from ganchu_workflow.timing import Period


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ReviewSettings(Strict):
    places: Annotated[int, Field(ge=1)]
    reserve: Annotated[int, Field(ge=0)] = 0
    reply: Period = Period.parse("5 working days")
    rule: Literal["mean", "median"] = "mean"


class NoticeSettings(Strict):
    window: Period = Period.parse("5 working days")
    minimum: Period | None = None


class Declaring(Stage):
    name = "declaring"
    waiting = State("等待", owner=Role.OFFICE, initial=True)
    declare = Transition(START, waiting, by=Role.APPLICANT)
    accept = Transition(waiting, PASSED, by=Role.OFFICE)
    phase = PhaseWindow(admits=declare, at_close={waiting: CARRY_ON})


class Review(Stage):
    name = "review"
    Settings = ReviewSettings
    weighing = State("评审", owner=Role.OFFICE, initial=True)
    accept = Transition(weighing, PASSED, by=Role.OFFICE)
    send_back = Transition(weighing, Outcome("sent_back"), by=Role.OFFICE)
    phase = PhaseWindow(at_close={weighing: CARRY_ON})


class Notice(Stage):
    name = "notice"
    Settings = NoticeSettings
    showing = State("公示", owner=Role.OFFICE, initial=True)
    clear = Transition(showing, PASSED, by=Role.OFFICE)
    phase = PhaseWindow(at_close={showing: CARRY_ON})


class End(Stage):
    name = "end"
    decided = State("待公布", owner=Role.OFFICE, initial=True)
    announced = State("已公布", success=True)
    announce = Transition(decided, announced, by=Role.OFFICE)
    phase = PhaseWindow(at_close={decided: CARRY_ON})


REGISTRY = Registry()
for _stage in (Declaring, Review, Notice, End):
    REGISTRY.register(_stage.name, _stage)

TOML = """\
title = "首届“赣出精品”评选"
code = "GCJP-2021"
timezone = "Asia/Shanghai"

[[stage]]
use = "declaring"
window = { opens = 2021-08-02T09:00:00, closes = 2021-09-03T17:30:00 }

[[stage]]
use = "review"
places = 20
on = { sent_back = "declaring" }

[[stage]]
use = "notice"
as = "local_notice"
window = "7 calendar days"

[[stage]]
use = "notice"

[[stage]]
use = "end"
"""
SHANGHAI = timezone(timedelta(hours=8))


@pytest.fixture
def read(tmp_path: Path) -> Callable[[str | bytes], Plan]:
    """Reads the text of a plan from a file, as an office keeps it."""

    def read_text(text: str | bytes) -> Plan:
        path = tmp_path / "plan.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_plan(path, REGISTRY)

    return read_text


Read = Callable[[str | bytes], Plan]
Findings = list[tuple[str, str]]


def findings(read: Read, text: str) -> Findings:
    with pytest.raises(PlanInvalid) as refused:
        read(text)
    return [(f.where, f.what) for f in refused.value.findings]


def found_in(raw: Mapping[str, Any]) -> Findings:
    with pytest.raises(PlanInvalid) as refused:
        read_plan(raw, REGISTRY)
    return [(f.where, f.what) for f in refused.value.findings]


def changed(old: str, new: str) -> str:
    assert TOML.count(old) == 1
    return TOML.replace(old, new)


def minimal(**head: Any) -> dict[str, Any]:
    return {"title": "t", "code": "c", "stage": [{"use": "declaring"}, {"use": "end"}], **head}


def staged(*stages: dict[str, Any]) -> dict[str, Any]:
    return minimal(stage=[{"use": "declaring"}, *stages, {"use": "end"}])


# ── a plan that is read ───────────────────────────────────────────────────────────────────────────────────────────


def test_a_plan_is_read(read: Read) -> None:
    plan = read(TOML)

    assert (plan.title, plan.code, plan.zone.key) == ("首届“赣出精品”评选", "GCJP-2021", "Asia/Shanghai")
    assert (plan.close_of_business, plan.digest, plan.demonstration) == (time(17, 30), "sha256", False)
    assert [(s.use, s.name, s.on, s.defaulted) for s in plan.stages] == [
        ("declaring", "declaring", {}, ()),
        ("review", "review", {"sent_back": "declaring"}, ("reserve", "reply", "rule")),
        ("notice", "local_notice", {}, ("minimum",)),
        ("notice", "notice", {}, ("window", "minimum")),
        ("end", "end", {}, ()),
    ]
    assert [s.settings for s in plan.stages[1:4]] == [
        ReviewSettings(places=20),
        NoticeSettings(window=Period.parse("7 calendar days")),
        NoticeSettings(),
    ]
    assert plan.process.stage_names == ("declaring", "review", "local_notice", "notice", "end")
    assert [e.target for e in plan.process.application.find("review.weighing", "send_back")] == ["declaring.waiting"]


def test_a_path_may_be_a_text(tmp_path: Path) -> None:
    (tmp_path / "plan.toml").write_text(TOML, "utf-8")

    assert read_plan(str(tmp_path / "plan.toml"), REGISTRY).code == "GCJP-2021"


def test_a_time_without_an_offset_is_read_in_the_plans_zone(read: Read) -> None:
    stage = read(TOML).stages[0]

    assert (stage.opens_at, stage.closes_at) == (
        datetime(2021, 8, 2, 9, tzinfo=SHANGHAI),
        datetime(2021, 9, 3, 17, 30, tzinfo=SHANGHAI),
    )


@pytest.mark.parametrize(
    ("zone", "written", "instant"),
    [
        ("Asia/Shanghai", "2021-09-03T17:30:00+08:00", datetime(2021, 9, 3, 9, 30, tzinfo=UTC)),
        ("Asia/Shanghai", "2021-09-03T17:30:00Z", datetime(2021, 9, 3, 17, 30, tzinfo=UTC)),
        ("UTC", "2021-09-03T17:30:00", datetime(2021, 9, 3, 17, 30, tzinfo=UTC)),
        ("Europe/Berlin", "2021-09-03T17:30:00", datetime(2021, 9, 3, 15, 30, tzinfo=UTC)),
    ],
)
def test_an_offset_of_its_own_stands(read: Read, zone: str, written: str, instant: datetime) -> None:
    text = changed("2021-09-03T17:30:00", written).replace("Asia/Shanghai", zone)

    assert read(text).stages[0].closes_at == instant


def test_a_window_may_be_called_phase_where_the_stage_has_a_setting_of_that_name(read: Read) -> None:
    text = changed(
        'window = "7 calendar days"',
        'window = "7 calendar days"\nphase = { opens = 2021-10-01T09:00:00, closes = 2021-11-01T09:00:00 }',
    )
    stage = read(text).stages[2]

    assert stage.settings == NoticeSettings(window=Period.parse("7 calendar days"))
    assert (stage.opens_at, stage.closes_at) == (
        datetime(2021, 10, 1, 9, tzinfo=SHANGHAI),
        datetime(2021, 11, 1, 9, tzinfo=SHANGHAI),
    )


def test_what_a_plan_does_not_say_of_itself_is_the_default() -> None:
    plan = read_plan(minimal(), REGISTRY)

    assert plan.document() == {
        "title": "t",
        "code": "c",
        "timezone": "Asia/Shanghai",
        "close_of_business": "17:30",
        "digest": "sha256",
        "demonstration": False,
        "stage": [
            {"use": "declaring", "as": "declaring", "on": {}, "defaults": []},
            {"use": "end", "as": "end", "on": {}, "defaults": []},
        ],
    }


@pytest.mark.parametrize(
    ("written", "hour"),
    [("18:00:00", time(18)), ('"09:05"', time(9, 5)), ('"18:00:00"', time(18)), ("00:00:00", time(0))],
)
def test_the_close_of_business_is_a_time_or_its_text(read: Read, written: str, hour: time) -> None:
    plan = read(f"close_of_business = {written}\n{TOML}")

    assert plan.close_of_business == hour
    assert plan.document()["close_of_business"] == hour.strftime("%H:%M")


# ── the document a round is pinned to ─────────────────────────────────────────────────────────────────────────────


def test_the_document_spells_out_every_default(read: Read) -> None:
    assert read(TOML).document()["stage"] == [
        {
            "use": "declaring",
            "as": "declaring",
            "on": {},
            "defaults": [],
            "phase": {"opens": "2021-08-02T01:00:00.000000Z", "closes": "2021-09-03T09:30:00.000000Z"},
        },
        {
            "use": "review",
            "as": "review",
            "on": {"sent_back": "declaring"},
            "defaults": ["reserve", "reply", "rule"],
            "places": 20,
            "reserve": 0,
            "reply": "5 working days",
            "rule": "mean",
        },
        {
            "use": "notice",
            "as": "local_notice",
            "on": {},
            "defaults": ["minimum"],
            "window": "7 calendar days",
            "minimum": None,
        },
        {
            "use": "notice",
            "as": "notice",
            "on": {},
            "defaults": ["window", "minimum"],
            "window": "5 working days",
            "minimum": None,
        },
        {"use": "end", "as": "end", "on": {}, "defaults": []},
    ]


HEADS = [
    "",
    'digest = "sm3"\n',
    "demonstration = true\n",
    "close_of_business = 18:15:00\n",
    'timezone = "Europe/Berlin"\n',
]


@pytest.mark.parametrize("head", HEADS)
def test_the_document_is_a_plan_of_the_same_meaning(read: Read, head: str) -> None:
    text = TOML.replace('timezone = "Asia/Shanghai"\n', "") if "timezone" in head else TOML
    first = read(head + text)

    # As the round keeps it: canonical JSON.
    again = read_plan(decode(encode(first.document())), REGISTRY)

    assert again.document() == first.document()
    assert fingerprint(again.process) == fingerprint(first.process)
    assert [(s.settings, s.on, s.defaulted, s.opens_at, s.closes_at) for s in again.stages] == [
        (s.settings, s.on, s.defaulted, s.opens_at, s.closes_at) for s in first.stages
    ]
    assert (again.zone, again.close_of_business, again.digest, again.demonstration) == (
        first.zone,
        first.close_of_business,
        first.digest,
        first.demonstration,
    )


def test_a_setting_given_with_the_value_of_its_default_is_no_default(read: Read) -> None:
    plan = read(changed("places = 20", "places = 20\nreserve = 0"))

    assert plan.stages[1].defaulted == ("reply", "rule")


# ── the plan as a whole ───────────────────────────────────────────────────────────────────────────────────────────

HEAD_KEYS = "title, code, timezone, close_of_business, digest, demonstration, stage"
NO_TEXT = "is missing: give it a text"
NO_STAGE = "a plan needs at least one [[stage]]"
NO_HOUR = "is no time of day to the minute; write 17:30:00"
NO_ZONE = "is no time zone; the usual one is Asia/Shanghai"


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        ({"tilte": "x"}, [("tilte", f"is not a key here; did you mean 'title'? allowed are: {HEAD_KEYS}")]),
        ({"zzzz": "x"}, [("zzzz", f"is not a key here; allowed are: {HEAD_KEYS}")]),
        ({"title": ""}, [("title", NO_TEXT)]),
        ({"title": "  "}, [("title", NO_TEXT)]),
        ({"title": 5}, [("title", NO_TEXT)]),
        ({"code": None}, [("code", NO_TEXT)]),
        ({"digest": "md5"}, [("digest", "is 'md5'; allowed are sha256, sm3")]),
        ({"digest": ["sm3"]}, [("digest", "is '['sm3']'; allowed are sha256, sm3")]),
        ({"demonstration": "yes"}, [("demonstration", "must be true or false")]),
        ({"demonstration": 1}, [("demonstration", "must be true or false")]),
        ({"timezone": "Asia/Nanchang"}, [("timezone", f"'Asia/Nanchang' {NO_ZONE}")]),
        ({"timezone": "Asia"}, [("timezone", f"'Asia' {NO_ZONE}")]),
        ({"timezone": ""}, [("timezone", f"'' {NO_ZONE}")]),
        ({"timezone": "../etc/passwd"}, [("timezone", f"'../etc/passwd' {NO_ZONE}")]),
        ({"timezone": 8}, [("timezone", f"'8' {NO_ZONE}")]),
        ({"close_of_business": "half past five"}, [("close_of_business", f"'half past five' {NO_HOUR}")]),
        ({"close_of_business": 17}, [("close_of_business", f"'17' {NO_HOUR}")]),
        ({"close_of_business": "17:30:15"}, [("close_of_business", f"'17:30:15' {NO_HOUR}")]),
        ({"close_of_business": time(17, 30, 15)}, [("close_of_business", f"'17:30:15' {NO_HOUR}")]),
        ({"close_of_business": "17:30+08:00"}, [("close_of_business", f"'17:30+08:00' {NO_HOUR}")]),
        ({"stage": []}, [("stage", NO_STAGE)]),
        ({"stage": {"use": "end"}}, [("stage", NO_STAGE)]),
        ({"stage": "end"}, [("stage", NO_STAGE)]),
    ],
    ids=str,
)
def test_a_wrong_head(head: dict[str, Any], expected: Findings) -> None:
    assert found_in(minimal(**head)) == expected


def test_an_empty_plan(read: Read) -> None:
    assert findings(read, "") == [("stage", NO_STAGE), ("title", NO_TEXT), ("code", NO_TEXT)]


# ── stages ────────────────────────────────────────────────────────────────────────────────────────────────────────

NO_USE = 'has no  use = "…" ; installed are: declaring, end, notice, review'
PLAIN = "must be a plain name of letters, digits and _, at most 40 characters"
STAGE_KEYS = "use, as, on, window, phase"
REVIEW_KEYS = f"{STAGE_KEYS}, places, reserve, reply, rule"


@pytest.mark.parametrize(
    ("stage", "expected"),
    [
        (
            {"use": "reveiw", "places": 1},
            [
                (
                    "stage 2 (reveiw).use",
                    "there is no 'reveiw' in ganchu_workflow.stages; did you mean 'review'? "
                    "installed are: declaring, end, notice, review",
                )
            ],
        ),
        (
            {"use": "lottery"},
            [
                (
                    "stage 2 (lottery).use",
                    "there is no 'lottery' in ganchu_workflow.stages; installed are: declaring, end, notice, review",
                )
            ],
        ),
        ({"name": "review"}, [("stage 2", NO_USE)]),
        ({"use": 5}, [("stage 2", NO_USE)]),
        (
            {"use": "review", "places": 1, "on": {"sent_back": "declaring"}, "reserv": 2},
            [("stage 2 (review).reserv", f"is not a key here; did you mean 'reserve'? allowed are: {REVIEW_KEYS}")],
        ),
        (
            {"use": "notice", "widnow": "5 working days"},
            [
                (
                    "stage 2 (notice).widnow",
                    f"is not a key here; did you mean 'window'? allowed are: {STAGE_KEYS}, window, minimum",
                )
            ],
        ),
        ({"use": "review"}, [("stage 2 (review).places", "is missing: this stage has no default for it")]),
        (
            {"use": "review", "places": "many"},
            [
                (
                    "stage 2 (review).places",
                    "Input should be a valid integer, unable to parse string as an integer (given: 'many')",
                )
            ],
        ),
        (
            {"use": "review", "places": 0, "rule": "mode"},
            [
                ("stage 2 (review).places", "Input should be greater than or equal to 1 (given: 0)"),
                ("stage 2 (review).rule", "Input should be 'mean' or 'median' (given: 'mode')"),
            ],
        ),
        (
            {"use": "notice", "window": 5},
            [("stage 2 (notice).window", "a period is text such as '5 working days', not 5")],
        ),
        (
            {"use": "notice", "window": "5 workng days"},
            [
                (
                    "stage 2 (notice).window",
                    "期限 / the period '5 workng days': 无法识别 / cannot read 'workng days'; 此处可写 / here may "
                    "stand working days, calendar days, hours, months, years\n  5 workng days\n    ^^^^^^^^^^^",
                )
            ],
        ),
        ({"use": "notice", "as": "local notice"}, [("stage 2 (local notice).as", PLAIN)]),
        ({"use": "notice", "as": "公示"}, [("stage 2 (公示).as", PLAIN)]),
        ({"use": "notice", "as": "local.notice"}, [("stage 2 (local.notice).as", PLAIN)]),
        ({"use": "notice", "as": ""}, [("stage 2 ().as", PLAIN)]),
        ({"use": "notice", "as": 5}, [("stage 2 (5).as", PLAIN)]),
        ({"use": "notice", "as": "x" * 41}, [(f"stage 2 ({'x' * 41}).as", PLAIN)]),
        ({"use": "notice", "on": "end"}, [("stage 2 (notice).on", 'must be a table of outcome = "stage"')]),
        ({"use": "notice", "on": {"passed": 5}}, [("stage 2 (notice).on", 'must be a table of outcome = "stage"')]),
        (
            {"use": "review", "places": 1, "on": {"send_back": "declaring"}},
            [
                (
                    "stage 2 (review).on.send_back",
                    "is not a key here; did you mean 'sent_back'? allowed are: "
                    "called_off, passed, sent_back, withdrawn",
                )
            ],
        ),
        (
            {"use": "notice", "defaults": 5},
            [("stage 2 (notice).defaults", "must be a list of settings; this stage has: window, minimum")],
        ),
        (
            {"use": "notice", "defaults": ["widnow"]},
            [("stage 2 (notice).defaults", "must be a list of settings; this stage has: window, minimum")],
        ),
    ],
    ids=str,
)
def test_a_wrong_stage(stage: dict[str, Any], expected: Findings) -> None:
    assert found_in(staged(stage)) == expected


def test_a_name_of_40_characters_is_a_plain_name() -> None:
    assert read_plan(staged({"use": "notice", "as": "x" * 40}), REGISTRY).stages[1].name == "x" * 40


def test_the_same_stage_twice_needs_two_names() -> None:
    twice = 'is used twice; give one of them another name with  as = "…"'

    assert found_in(staged({"use": "notice"}, {"use": "notice"})) == [("stage notice", twice)]
    assert found_in(staged({"use": "notice", "as": "end"})) == [("stage end", twice)]


# ── windows ───────────────────────────────────────────────────────────────────────────────────────────────────────

EIGHT, NINE = datetime(2021, 8, 2, 8), datetime(2021, 8, 2, 9)
NO_INSTANT = "must be a date with a time, for example 2021-09-03T17:30:00"
NO_TABLE = "this stage has a window from … to …: window = { opens = …, closes = … }"


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        ({"opens": NINE, "closes": EIGHT}, [("window", "closes before it opens")]),
        ({"opens": NINE, "closes": NINE}, [("window", "closes before it opens")]),
        (
            # 09:00 in Shanghai is 01:00 in London: what decides is the instant, not the figures.
            {"opens": NINE, "closes": datetime(2021, 8, 2, 1, tzinfo=UTC)},
            [("window", "closes before it opens")],
        ),
        ({"opens": NINE}, [("window.closes", NO_INSTANT)]),
        ({}, [("window.opens", NO_INSTANT), ("window.closes", NO_INSTANT)]),
        ({"opens": date(2021, 8, 2), "closes": NINE}, [("window.opens", NO_INSTANT)]),
        ({"opens": EIGHT, "closes": 17}, [("window.closes", NO_INSTANT)]),
        (
            {"opens": EIGHT, "closes": "2021-08-02T09:00:00"},
            [("window.closes", "'2021-08-02T09:00:00' is not an instant of the form 2021-09-03T09:30:00.000000Z")],
        ),
        (
            {"opens": EIGHT, "closes": NINE, "close": NINE},
            [("window.close", "is not a key here; did you mean 'closes'? allowed are: opens, closes")],
        ),
        ("5 working days", [("window", NO_TABLE)]),
    ],
    ids=str,
)
def test_a_wrong_window(window: Any, expected: Findings) -> None:
    stages = [{"use": "declaring", "window": window}, {"use": "end"}]

    assert found_in(minimal(stage=stages)) == [(f"stage 1 (declaring).{where}", what) for where, what in expected]


def test_a_phase_that_is_no_table() -> None:
    assert found_in(staged({"use": "notice", "phase": "5 working days"})) == [
        ("stage 2 (notice).phase", "must be a table { opens = …, closes = … }")
    ]


def test_a_phase_beside_a_window_that_says_the_same() -> None:
    window = {"opens": EIGHT, "closes": NINE}

    assert found_in(staged({"use": "notice", "window": window, "phase": window})) == [
        ("stage 2 (notice).phase", "says the same as window = { … }; give one of the two")
    ]


def test_a_window_of_one_microsecond_is_a_window() -> None:
    later = NINE + timedelta(microseconds=1)
    plan = read_plan(
        minimal(stage=[{"use": "declaring", "window": {"opens": NINE, "closes": later}}, {"use": "end"}]), REGISTRY
    )

    assert plan.document()["stage"][0]["phase"]["closes"] == "2021-08-02T01:00:00.000001Z"


# ── all at once, and what only the whole can show ─────────────────────────────────────────────────────────────────


def test_everything_that_is_wrong_is_said_at_once_and_the_message_lists_it(read: Read, tmp_path: Path) -> None:
    text = """\
tilte = "赣出精品"
code = "GCJP-2021"
timezone = "Asia/Nanchang"

[[stage]]
use = "declaring"
window = "5 working days"

[[stage]]
use = "reveiw"

[[stage]]
use = "review"
reserve = -1
on = { back = "declaring" }
"""
    with pytest.raises(PlanInvalid) as refused:
        read(text)

    assert (
        refused.value.message
        == f"""\
the plan cannot be used, {tmp_path / "plan.toml"}:
  - timezone: 'Asia/Nanchang' is no time zone; the usual one is Asia/Shanghai
  - tilte: is not a key here; did you mean 'title'? allowed are: {HEAD_KEYS}
  - stage 1 (declaring).window: {NO_TABLE}
  - stage 2 (reveiw).use: there is no 'reveiw' in ganchu_workflow.stages; did you mean 'review'? \
installed are: declaring, end, notice, review
  - stage 3 (review).places: is missing: this stage has no default for it
  - stage 3 (review).reserve: Input should be greater than or equal to 0 (given: -1)
  - stage 3 (review).on.back: is not a key here; did you mean 'sent_back'? \
allowed are: called_off, passed, sent_back, withdrawn
  - title: {NO_TEXT}"""
    )


@pytest.mark.parametrize(
    ("stages", "expected"),
    [
        (
            [{"use": "declaring"}, {"use": "review", "places": 1}, {"use": "end"}],
            [
                (
                    "review.send_back",
                    "the outcome 'sent_back' is not wired; add  on = { sent_back = \"<stage>\" }  to it in the plan",
                )
            ],
        ),
        (
            [{"use": "declaring"}, {"use": "review", "places": 1, "on": {"sent_back": "declarng"}}, {"use": "end"}],
            [
                (
                    "review.send_back",
                    "the outcome 'sent_back' is wired to 'declarng', which is neither a stage nor an end; "
                    "there are: declaring, review, end, withdrawn, called_off",
                )
            ],
        ),
        (
            [{"use": "declaring"}],
            [
                (
                    "declaring.accept",
                    "the last stage of the plan passes on to nothing; end the plan with a stage such as 'announcement'",
                ),
                ("application.declaring.waiting", "from this state no end can be reached"),
            ],
        ),
    ],
)
def test_stages_that_cannot_work_together(stages: list[dict[str, Any]], expected: Findings) -> None:
    with pytest.raises(DefinitionInvalid) as refused:
        read_plan(minimal(stage=stages), REGISTRY)

    assert [(f.where, f.what) for f in refused.value.findings] == expected


# ── files ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def refusal(path: Path) -> tuple[str, dict[str, Any]]:
    with pytest.raises(PlanInvalid) as refused:
        read_plan(path, REGISTRY)
    return refused.value.message, refused.value.fields


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "absent.toml"

    assert refusal(path) == (f"there is no plan at '{path}'; give the path of a TOML file", {"path": str(path)})


def test_a_folder_is_no_plan(tmp_path: Path) -> None:
    assert refusal(tmp_path) == (
        f"the plan '{tmp_path}' cannot be read: [Errno 21] Is a directory: '{tmp_path}'",
        {"path": str(tmp_path)},
    )


def test_a_file_that_is_not_toml(tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    path.write_text("title: 赣出精品\n", "utf-8")

    assert refusal(path) == (
        f"the plan '{path}' is not TOML: Expected '=' after a key in a key/value pair (at line 1, column 6)",
        {"path": str(path)},
    )


def test_a_byte_order_mark_as_a_windows_editor_writes_it_is_ignored(read: Read) -> None:
    assert read(b"\xef\xbb\xbf" + TOML.encode()).document() == read(TOML).document()


def test_a_file_that_is_not_utf_8(tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    path.write_bytes('title = "赣出精品"\n'.encode("gb18030"))

    assert refusal(path) == (
        f"the plan '{path}' cannot be read: 'utf-8' codec can't decode byte 0xb8 in position 9: invalid start byte",
        {"path": str(path)},
    )
