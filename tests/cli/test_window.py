"""`ganchu window` as a user meets it: a period reckoned day by day, and a printed window checked."""

import json
import re
from datetime import datetime, time
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from ganchu_workflow.timing import Period, Reckoning, Unit, WorkingCalendar, parse_limit, reckon
from tests.cli.command import Done, ganchu
from tests.cli.test_calendar import FRIDAY, LAST, NEXT, OF_NEXT, SATURDAY, VERSION, cells_of

SHANGHAI = ZoneInfo("Asia/Shanghai")
NOTICE = "国务院办公厅关于2026年部分节假日安排的通知 https://www.gov.cn/zhengce/zhengceku/202511/content_7047091.htm"
PRINTED = ("--dated", "2026-03-09", "--opens", "2026-03-09T09:00", "--closes", "2026-03-16T17:30")


def window(folder: Path, *args: str) -> Done:
    return ganchu("window", *args, cwd=folder)


def reckoned(rule: str, start: str) -> Reckoning:
    begins = datetime.fromisoformat(start).replace(tzinfo=SHANGHAI)
    calendar = WorkingCalendar.built_in()
    return reckon(parse_limit(rule), begins, calendar, zone=SHANGHAI, close_of_business=time(17, 30))


def test_a_period_is_reckoned_day_by_day(tmp_path: Path) -> None:
    done = window(tmp_path, "reckon", "5 working days, to 17:30", "--from", "2026-09-18T09:00")

    assert (done.code, done.err) == (0, "")
    assert cells_of(done.out) == [
        ["2026-09-18", "周五 / Fri", "-", "起始日 / start day"],
        ["2026-09-19", "周六 / Sat", "-", "周末 / weekend"],
        ["2026-09-20", "周日 / Sun", "1", "调休上班(国庆节) / make-up working day (国庆节)"],
        ["2026-09-21", "周一 / Mon", "2", "工作日 / working day"],
        ["2026-09-22", "周二 / Tue", "3", "工作日 / working day"],
        ["2026-09-23", "周三 / Wed", "4", "工作日 / working day"],
        ["2026-09-24", "周四 / Thu", "5", "工作日 / working day"],
    ]
    lines = done.out.splitlines()
    assert lines[:2] == [
        "起算 / start: 2026-09-18 09:00",
        "5个工作日(起始日不计),至17:30 / 5 working days (start day not counted), to 17:30: "
        "2026-09-24 17:30 (周四 / Thu)",
    ]
    assert lines[-3:] == [
        "截止 / end: 2026-09-24 17:30 (周四 / Thu)",
        f"日历版本 / calendar: {VERSION}",
        f"依据 / under: {NOTICE}",
    ]


def test_of_two_lengths_both_are_shown_and_which_decided(tmp_path: Path) -> None:
    rule = "5 working days, and never under 7 calendar days"
    done = window(tmp_path, "reckon", rule, "--from", "2026-09-18T09:00", "--close-of-business", "24:00")

    assert len(cells_of(done.out)) == 7 + 11
    assert (
        "取较晚者 / the later of both: 7个自然日(起始日不计) / 7 calendar days (start day not counted)\n"
        "截止 / end: 2026-09-28 24:00 (周一 / Mon)\n"
    ) in done.out


@pytest.mark.parametrize(
    ("rule", "counted"),
    [
        ("1 month", ["-", "✓", "✓", "-", "-", "-"]),
        ("48 hours", ["✓", "✓"]),
        ("not later than 2026-10-10 17:30 +08:00", ["✓", "✓"]),
        ("2 calendar days", ["-", "1", "2"]),
    ],
)
def test_only_days_that_are_counted_have_a_number(tmp_path: Path, rule: str, counted: list[str]) -> None:
    rows = cells_of(window(tmp_path, "reckon", rule, "--from", "2026-09-05T09:00").out)
    rows = [row for row in rows if row[0]]  # a long explanation takes a second line
    assert [row[2] for row in rows[: len(counted)]] == counted


@pytest.mark.parametrize(
    ("rule", "start", "why"),
    [
        ("7 calendar days", "2026-10-03T09:00", "自然日,调休上班(国庆节)"),
        ("1 month", "2026-09-10T09:00", "期间的最后一日,调休上班(国庆节)"),
        ("1 calendar day", "2025-01-24T09:00", "顺延至此日,调休上班(春节)"),
        ("7 calendar days", "2024-12-25T09:00", "自然日,放假(元旦)"),
    ],
)
def test_a_last_day_that_is_made_up_or_off_says_so_and_under_which_notice(
    tmp_path: Path, rule: str, start: str, why: str
) -> None:
    done = window(tmp_path, "reckon", rule, "--from", start)

    assert [row for row in cells_of(done.out) if row[3].startswith(why)]
    assert done.out.splitlines()[-1].startswith("依据 / under: 国务院办公厅关于")


def test_the_calendar_of_a_database_is_used_where_one_is_named(tmp_path: Path, sqlite_url: str) -> None:
    (tmp_path / "next.toml").write_text(OF_NEXT, "utf-8")
    named = {"GANCHU_DB": sqlite_url}
    assert ganchu("calendar", "import", "next.toml", cwd=tmp_path, env=named).code == 0
    asked = ("window", "reckon", "1 working day", "--from", f"{FRIDAY}T09:00")
    end = f"截止 / end: {SATURDAY} 17:30 (周六 / Sat)"

    assert end in ganchu(*asked, cwd=tmp_path, env=named).out
    assert end in ganchu(*asked, "--db", sqlite_url, cwd=tmp_path).out
    assert end not in ganchu(*asked, cwd=tmp_path).out
    checked = ("window", "check", "--dated", str(FRIDAY), "--opens", f"{FRIDAY}T09:00", "--rule", "1 working day")
    assert ganchu(*checked, "--closes", f"{SATURDAY}T17:30", cwd=tmp_path, env=named) == Done(
        0, "未发现问题 / nothing is irregular\n", ""
    )
    assert "ends_on_rest_day" in ganchu(*checked, "--closes", f"{SATURDAY}T17:30", cwd=tmp_path).out


def test_the_help_shows_every_form_of_a_rule(tmp_path: Path) -> None:
    said = " ".join(window(tmp_path, "reckon", "--help").out.replace("│", " ").split())
    rules = re.findall("'([^']+)'", said[said.index("the rule") : said.index("--from")])
    periods = [each for each in map(parse_limit, rules) if isinstance(each, Period)]

    assert len(periods) == len(rules) - 1
    assert {each.unit for each in periods} == {*Unit} - {Unit.MICROSECONDS}
    assert [any(getattr(each, name) for each in periods) for name in ("counts_start", "ends_at", "at_least")] == [
        True, True, True
    ]  # fmt: skip
    assert not all(each.rolls for each in periods)


def test_a_long_period_shows_its_first_and_its_last_days(tmp_path: Path) -> None:
    rows = cells_of(window(tmp_path, "reckon", "90 calendar days, no roll", "--from", "2026-01-01T09:00").out)

    assert (rows[0][0], rows[-1][:3]) == ("2026-01-01", ["2026-04-01", "周三 / Wed", "90"])
    assert (len(rows), rows[31]) == (63, ["…", "", "", "略去29日 / 29 days left out"])


def test_a_december_is_marked_as_provisional_until_its_notice_is_given(tmp_path: Path) -> None:
    (tmp_path / "next.toml").write_text(OF_NEXT, "utf-8")
    asked = ("reckon", "1 working day", "--from", f"{FRIDAY}T09:00")

    assert window(tmp_path, *asked).out.splitlines()[-1] == (
        "暂定:次年放假安排尚未导入,可能调整12月的日子 / provisional: next year's notice is not loaded, and may change "
        "days of December"
    )
    settled = window(tmp_path, *asked, "--overlay", "next.toml").out
    assert f"截止 / end: {SATURDAY} 17:30 (周六 / Sat)" in settled
    assert "暂定" not in settled


@pytest.mark.parametrize(
    ("rule", "start"),
    [
        ("5 working days, and never under 7 calendar days", "2026-09-18T09:00"),
        ("not later than 2026-10-10 24:00 +08:00", "2026-09-18T09:00"),
        ("48 hours", "2026-09-18T09:00"),
    ],
)
def test_json_has_the_days_and_the_document(tmp_path: Path, rule: str, start: str) -> None:
    found = reckoned(rule, start)

    assert json.loads(window(tmp_path, "reckon", rule, "--from", start, "--json").out) == {
        "due_at": found.due_at.isoformat(),
        "last_day": found.last_day.isoformat(),
        "label": {"zh": found.period.label_zh("起始日"), "en": found.period.label_en("start day")},
        "provisional": False,
        "days": found.explain(),
        "document": found.document(),
    }


def test_an_instant_with_an_offset_is_that_instant_and_24_00_is_midnight(tmp_path: Path) -> None:
    for start, shown in (
        ("2026-09-17T16:00+00:00", "2026-09-18 00:00"),
        ("2026-09-17T24:00", "2026-09-18 00:00"),
        ("2026-09-17T24:00:00 +08:00", "2026-09-18 00:00"),
        ("2026-09-17T16:00Z", "2026-09-18 00:00"),
        ("2026-09-18 09:00:30", "2026-09-18 09:00:30"),
    ):
        done = window(tmp_path, "reckon", "1 working day", "--from", start)
        assert done.out.splitlines()[0] == f"起算 / start: {shown}"
        assert "截止 / end: 2026-09-20 17:30" in done.out


@pytest.mark.parametrize(
    ("written", "proposed"),
    [
        ("2026-09-18", "2026-09-18T09:00(北京时间)"),
        ("20260918", "2026-09-18T09:00(北京时间)"),
        ("2026-W38-5", "2026-09-18T09:00(北京时间)"),
        ("2026-W38-5T10:00", "2026-09-18T10:00"),
        ("20260918T1000", "2026-09-18T10:00"),
        ("2026-09-18T10", "2026-09-18T10:00"),
        ("20260918T100030+0000", "2026-09-18T10:00:30+00:00"),
        ("2026-02-30T24:00", "2021-09-03T17:30 / '2026-02-30T24:00' is no instant"),
        ("9999-12-31T24:00", "2021-09-03T17:30 / '9999-12-31T24:00' is no instant"),
        ("0001-01-01T00:00", "2021-09-03T17:30 / '0001-01-01T00:00' is no instant"),
    ],
)
def test_an_instant_has_its_hour_and_one_form(tmp_path: Path, written: str, proposed: str) -> None:
    asked = (
        ("reckon", "5 working days", "--from", written),
        ("check", "--dated", "2026-03-09", "--opens", written, "--closes", "2026-03-16T17:30", "--rule", "48 hours"),
        ("check", *PRINTED, "--rule", "48 hours", "--published", written),
        ("check", *PRINTED, "--rule", "48 hours", "--down", f"{written}.."),
    )
    for command in asked:
        done = window(tmp_path, *command)
        assert (done.code, done.out, done.err.splitlines()[0]) == (2, "", "错误 / error [invalid]")
        assert f"请写如 {proposed}" in done.err or f"请写明时分,如 {proposed}" in done.err


def test_a_date_has_one_form(tmp_path: Path) -> None:
    for written in ("20260309", "2026-W11-1", "2026-02-30"):
        done = window(tmp_path, "check", "--dated", written, *PRINTED[2:], "--rule", "48 hours")
        assert done == Done(
            2,
            "",
            "错误 / error [invalid]\n"
            f"--dated: 不是日期,请写如 2026-09-18 / '{written}' is no date; write it like 2026-09-18\n",
        )


def test_an_unreadable_rule_is_pointed_at(tmp_path: Path) -> None:
    done = window(tmp_path, "reckon", "5个工作日,到17:30", "--from", "2026-09-18T09:00")

    assert (done.code, done.out) == (2, "")
    assert done.err.splitlines() == [
        "错误 / error [period_invalid]",
        "期限 / the period '5个工作日,到17:30': 无法识别 / cannot read '到17:30'; 此处可写 / here may stand "
        "start day counted, start day not counted, to HH:MM, no roll, and never under 7 calendar days",
        "  5个工作日,到17:30",
        "            ^^^^^^^",
    ]


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (
            ["5 working days", "--from", "soon"],
            "invalid",
            "--from: 不是时刻,请写如 2021-09-03T17:30 / 'soon' is no instant",
        ),
        (["5 working days", "--from", f"{LAST}-12-28T09:00"], "year_not_published", f"{NEXT}年工作日历未导入"),
        (
            ["5 working days", "--from", "2026-09-18T09:00", "--close-of-business", "25:00"],
            "invalid",
            "--close-of-business: 应为00:01至24:00的时刻 / '25:00' is no hour",
        ),
        (
            ["5 working days", "--from", "2026-09-18T09:00", "--close-of-business", "17:30,garbage"],
            "invalid",
            "--close-of-business: 应为00:01至24:00的时刻 / '17:30,garbage' is no hour",
        ),
        (["2026-10-10 17:30", "--from", "2026-09-18T09:00"], "period_invalid", "an offset from UTC"),
        (["2026-09-10T17:30+08:00", "--from", "2026-09-18T09:00"], "limit_passed", "起算时已经届满:不晚于2026-09-10"),
    ],
)
def test_what_cannot_be_reckoned_is_refused(tmp_path: Path, args: list[str], code: str, said: str) -> None:
    done = window(tmp_path, "reckon", *args)

    assert (done.code, done.out) == (2, "")
    assert done.err.splitlines()[0] == f"错误 / error [{code}]"
    assert said in done.err


def test_a_printed_window_that_keeps_its_rule_is_found_in_order(tmp_path: Path) -> None:
    checked = ("check", *PRINTED, "--rule", "5 working days")

    assert window(tmp_path, *checked) == Done(0, "未发现问题 / nothing is irregular\n", "")
    assert window(tmp_path, *checked, "--json") == Done(0, "[]\n", "")


def test_a_warning_is_no_failure(tmp_path: Path) -> None:
    done = window(tmp_path, "check", *PRINTED, "--rule", "5 working days", "--published", "2026-03-09T09:00:30")

    assert done == Done(
        0,
        "- 提示 / warning [published_late]\n"
        "    实际发布时刻2026-03-09 09:00:30晚于公示开始时刻2026-03-09 09:00\n"
        "    it was published at 2026-03-09 09:00:30, after the window opened at 2026-03-09 09:00\n",
        "",
    )


def test_a_check_in_a_december_that_may_still_change_says_that_it_is_provisional(tmp_path: Path) -> None:
    printed = ("--dated", f"{LAST}-12-01", "--opens", f"{LAST}-12-01T09:00", "--closes", f"{LAST}-12-03T09:00")
    done = window(tmp_path, "check", *printed, "--rule", "48 hours")

    assert done.code == 0
    assert done.out.splitlines()[-3:-1] == [
        "- 提示 / warning [provisional]",
        f"    {NEXT}年放假安排尚未导入,可能调整{LAST}年12月的日子:本核对为暂定,导入后请重新核对",
    ]


def test_a_window_that_is_too_short_is_exit_code_3(tmp_path: Path) -> None:
    down = ("--down", "2026-03-11T10:00..2026-03-11T12:00", "--down", "2026-03-16T10:00..")
    asked = ("check", *PRINTED, "--rule", "5 working days", "--minimum", "7 calendar days, to 24:00", *down)
    done = window(tmp_path, *asked)

    assert (done.code, done.err) == (3, "")
    assert done.out.splitlines() == [
        "✗ 不符 / error [shorter_than_minimum]",
        "    公示期短于7个自然日(公布当日不计),至24:00:最早应于2026-03-16 24:00截止",
        "    the window is shorter than 7 calendar days, to 24:00, start day not counted: "
        "that ends at 2026-03-16 24:00",
        "    补正:截止不早于 / remedy: end not before 2026-03-16 24:00",
        "✗ 不符 / error [taken_down]",
        "    公示期间曾撤下,未全天公示之日(2026-03-11、2026-03-16)从严不计入:最早应于2026-03-18 24:00截止"
        "(尚未恢复,以原截止次日零时起公示计)",
        "    the notice was down on 2026-03-11, 2026-03-16; read cautiously these days do not count: "
        "the window should not end before 2026-03-18 24:00, if it is to be seen again from the day after the printed "
        "end on",
        "    补正:截止不早于 / remedy: end not before 2026-03-18 24:00",
    ]
    in_json = window(tmp_path, *asked, "--json")
    assert in_json.code == 3
    assert [(row["code"], row["severity"], row["remedy"]) for row in json.loads(in_json.out)] == [
        ("shorter_than_minimum", "error", "2026-03-17T00:00:00+08:00"),
        ("taken_down", "error", "2026-03-19T00:00:00+08:00"),
    ]


def test_a_window_that_is_long_enough_has_no_remedy(tmp_path: Path) -> None:
    down = ("--down", "2026-09-19T10:00..2026-09-19T11:00", "--down", "2026-09-22T00:00..2026-09-22T24:00")
    opens = ("--dated", "2026-09-18", "--opens", "2026-09-18T00:00", "--rule", "7 calendar days", *down)
    longer = ("check", *opens, "--closes", "2026-10-09T17:30")
    done = window(tmp_path, *longer)

    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[1].endswith("(2026-09-19、2026-09-22)从严不计入:其余时间仍足期限")
    assert "remedy" not in done.out
    assert [row["remedy"] for row in json.loads(window(tmp_path, *longer, "--json").out)] == [None]
    # 20, 21, 23, 24, 25, 26, 27, which is a Sunday: the 28th is enough, and a minute less is not
    assert window(tmp_path, "check", *opens, "--closes", "2026-09-28T17:30").code == 0
    short = window(tmp_path, "check", *opens, "--closes", "2026-09-28T17:29")
    assert (short.code, short.out.splitlines()[-1]) == (
        3,
        "    补正:截止不早于 / remedy: end not before 2026-09-28 17:30",
    )


def test_the_closing_instant_is_enough_and_a_microsecond_less_is_not(tmp_path: Path) -> None:
    opens = ("check", "--dated", "2026-03-09", "--opens", "2026-03-09T09:00", "--rule", "5 working days")

    assert window(tmp_path, *opens, "--closes", "2026-03-16T17:30").code == 0
    assert window(tmp_path, *opens, "--closes", "2026-03-16T17:29:59.999999").code == 3


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (["--down", "2026-03-11T10:00"], "invalid", "keep the two dots: 2026-03-11T10:00.."),
        (
            ["--down", "2026-03-11T10:00..soon"],
            "invalid",
            "--down: 不是时刻,请写如 2021-09-03T17:30 / 'soon' is no instant",
        ),
        (["--down", "2026-03-11T10:00..2026-03-11T09:00"], "period_invalid", "an interruption ends after it begins"),
        (["--dated", "9 March"], "invalid", "--dated: 不是日期,请写如 2026-09-18 / '9 March' is no date"),
        (["--closes", "2026-03-09T08:00"], "period_invalid", "not after it opens"),
        (["--minimum", "0 hours"], "period_invalid", "cannot read '0'"),
        (["--rule", "2026-03-20T17:30+08:00"], "period_invalid", "a whole number from 1 up"),
    ],
)
def test_what_cannot_be_checked_is_refused(tmp_path: Path, args: list[str], code: str, said: str) -> None:
    usual = zip(("--rule", *PRINTED[::2]), ("5 working days", *PRINTED[1::2]), strict=True)
    given = [text for option, value in usual if option != args[0] for text in (option, value)]
    done = window(tmp_path, "check", *given, *args)

    assert (done.code, done.out) == (2, "")
    assert done.err.splitlines()[0] == f"错误 / error [{code}]"
    assert said in done.err


@pytest.mark.parametrize(
    ("command", "option"),
    [
        (
            ["window", "check", *PRINTED, "--rule", "48 hours", "--minimum", "24 hours", "--minimum", "72 hours"],
            "--minimum",
        ),
        (["window", "reckon", "48 hours", "--from", "2026-03-09T09:00", "--from=2026-03-09T09:00"], "--from"),
        (["calendar", "show", "--db", "sqlite:///a.db", "--db", "sqlite:///b.db"], "--db"),
        (["deadline", "release", "x", "--db", "sqlite:///a.db", "--reason", "a", "--reason", "b"], "--reason"),
        (["tick", "--db", "sqlite:///a.db", "--at", "2026-03-09T09:00", "--at", "2026-03-10T09:00"], "--at"),
    ],
)
def test_an_option_with_one_value_is_given_once(tmp_path: Path, command: list[str], option: str) -> None:
    assert ganchu(*command, cwd=tmp_path) == Done(
        2,
        "",
        f"错误 / error [invalid]\n{option} 只能给一次,请删去多余的 / "
        f"{option} is given more than once; leave one of them\n",
    )


def test_what_may_be_repeated_is_not_refused(tmp_path: Path) -> None:
    down = ("--down", "2026-03-11T10:00..2026-03-11T12:00", "--down", "2026-03-12T10:00..2026-03-12T12:00")
    done = window(tmp_path, "check", *PRINTED, "--rule", "48 hours", *down, "--json", "--json")
    assert [row["code"] for row in json.loads(done.out)] == ["taken_down"]


@pytest.mark.parametrize("closes", ["2026-03-16T24:00:30", "2026-03-16T24:00:00.5", "2026-03-16T24:01"])
def test_there_is_no_instant_after_24_00(tmp_path: Path, closes: str) -> None:
    printed = ("--dated", "2026-03-09", "--opens", "2026-03-09T09:00", "--rule", "5 working days")
    done = window(tmp_path, "check", *printed, "--closes", closes)
    assert (done.code, done.out, done.err.splitlines()[0]) == (2, "", "错误 / error [invalid]")
    assert closes in done.err
