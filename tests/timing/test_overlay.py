"""A year's notice as a file: what it says, what is refused and where, and what it changes."""

import pickle
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from ganchu_workflow.errors import CalendarInvalid, YearNotPublished
from ganchu_workflow.timing import Change, DayKind, Overlay, WorkingCalendar, read_overlay, read_overlays

NOTICE = "国务院办公厅关于2027年部分节假日安排的通知"
# Invented for the test: the notice of 2027 was not out when this was written.
TEXT = f"""\
year = 2027
notice = "{NOTICE}"
number = "国办发明电〔2026〕0号"
dated = 2026-11-04

[[holiday]]
name = "元旦"
off = ["2027-01-01..2027-01-03"]
work = [2026-12-26]

[[holiday]]
name = "春节"
off = [2027-02-05, "2027-02-06", " 2027-02-07 .. 2027-02-11 "]
work = [2027-02-14]
"""
EMPTY = "文件为空,请写年份、通知和各节日 / it is empty; write the year, the notice and its holidays"
HEAD, NEW_YEAR, SPRING = TEXT.partition("[[holiday]]")[0], *TEXT.split("\n\n")[1:]


TABLES = "holiday: 每个节日单独成表,表头写 [[holiday]] / write each holiday as a table of its own, headed [[holiday]]"
MADE_UP = "2027-02-14"


def faults(text: str) -> list[str]:
    with pytest.raises(CalendarInvalid) as caught:
        read_overlay(text)
    found = [str(finding) for finding in caught.value.fields["findings"]]
    assert caught.value.message == "放假安排不能使用 / the calendar overlay cannot be used:\n" + "\n".join(
        f"  - {f}" for f in found
    )
    assert pickle.loads(pickle.dumps(caught.value)).fields == caught.value.fields
    return found


def test_an_overlay_says_what_its_file_says(tmp_path: Path) -> None:
    path = tmp_path / "2027.toml"
    path.write_text(TEXT, "utf-8-sig")  # as Notepad writes it
    new_year = [date(2027, 1, day) for day in (1, 2, 3)]
    spring = [date(2027, 2, day) for day in range(5, 12)]
    work = (date(2026, 12, 26), date(2027, 2, 14))
    names = dict.fromkeys([*new_year, work[0]], "元旦") | dict.fromkeys([*spring, work[1]], "春节")
    expected = Overlay(
        2027, NOTICE, "国办发明电〔2026〕0号", date(2026, 11, 4), (*new_year, *spring), work, names, str(path)
    )

    assert read_overlay(path) == expected
    assert read_overlay(TEXT) == Overlay(
        expected.year, NOTICE, expected.number, expected.dated, expected.off, work, names, source=""
    )


def test_number_and_date_may_be_left_out() -> None:
    short = read_overlay(f'year = 2027\nnotice = " {NOTICE} "\n[[holiday]]\nname = "元旦"\noff = [2027-01-01]')

    assert (short.number, short.dated, short.work, short.paper) == ("", None, (), NOTICE)
    assert read_overlay(TEXT).paper == f"{NOTICE}(国办发明电〔2026〕0号,2026-11-04)"


def test_an_overlay_on_a_calendar_adds_its_year_and_its_december(calendar: WorkingCalendar) -> None:
    overlay = read_overlay(TEXT)
    extended = overlay.on(calendar)

    assert extended.years == (*calendar.years, 2027)
    assert extended == calendar.with_year(2027, overlay.off, overlay.work, overlay.paper, overlay.names)
    assert extended.describe(date(2027, 2, 8)) == DayKind("holiday", "春节")
    assert extended.describe(date(2027, 2, 8)).paper == overlay.paper
    assert extended.describe(date(2026, 12, 26)) == DayKind("make_up", "元旦")
    assert (calendar.is_provisional(date(2026, 12, 26)), extended.is_provisional(date(2026, 12, 26))) == (True, False)
    with pytest.raises(YearNotPublished):
        calendar.describe(date(2027, 2, 8))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", [EMPTY]),
        (" \n\t\n", [EMPTY]),
        (
            TEXT.replace("year = 2027\n", ""),
            [
                "year: 缺少,请写通知所安排的年份 / is missing; write the year that the notice is about, "
                "for example year = 2027"
            ],
        ),
        (
            TEXT.replace("year = 2027", 'year = "2027"'),
            [
                "year: '2027' 不是2000至2100的年份,请写通知所安排的年份 / "
                "is '2027', which is no year from 2000 to 2100; "
                "write the year that the notice is about, for example year = 2027"
            ],
        ),
        *(
            (
                TEXT.replace("year = 2027", f"year = {year}"),
                [
                    f"year: '{year}' 不是2000至2100的年份,请写通知所安排的年份 / "
                    f"is '{year}', which is no year from 2000 to "
                    "2100; write the year that the notice is about, for example year = 2027"
                ],
            )
            for year in (1999, 2101, 9999)
        ),
        (
            TEXT.replace(f'notice = "{NOTICE}"\n', ""),
            ["notice: 缺少,请写通知标题 / is missing; name the State Council's notice by its title"],
        ),
        (
            TEXT.replace('"国办发明电〔2026〕0号"', "0"),
            ["number: '0' 不是文字,请写文号 / is '0', which is no text; the number of the document"],
        ),
        (
            TEXT.replace("dated = 2026-11-04", "dated = 2026-11-04T09:00:00"),
            ["dated: '2026-11-04 09:00:00' 不是日期,请写如 2026-11-04 / is no date; write it like 2026-11-04"],
        ),
        (
            TEXT.replace("dated", "date"),
            [
                "没有“date”这一项,是否应为“dated” / there is no key 'date'; did you mean 'dated'? "
                "keys are: year, notice, number, dated, holiday"
            ],
        ),
        (
            NEW_YEAR.join((HEAD, "")).replace("work = ", "works = "),
            [
                "holiday 1 (元旦): 没有“works”这一项,是否应为“work” / there is no key 'works'; did you mean 'work'? "
                "keys are: name, off, work"
            ],
        ),
        (
            TEXT.replace('name = "春节"\n', "colour = 'red'\n"),
            [
                "holiday 2: 没有“colour”这一项 / there is no key 'colour'; keys are: name, off, work",
                "holiday 2, name: 缺少,请写节日名称 / is missing; name the holiday",
            ],
        ),
        (HEAD, [TABLES]),
        (HEAD + "[holiday]\nname = '元旦'", [TABLES]),
        (
            HEAD + f"[[holiday]]\nname = '元旦'\nwork = [{MADE_UP}]",
            [
                "没有放假日:空表只说明通知未知,请写全年的放假日 / "
                "no day is given off: an empty table means that the notice "
                "is unknown"
            ],
        ),
        (
            TEXT + "[[holiday]]\nname = '清明'\n[[holiday]]\nname = '端午'\noff = []\nwork = []",
            [
                f"holiday {holiday}: 未列任何日子,请写 off 或 work / no day is given; write off or work"
                for holiday in ("3 (清明)", "4 (端午)")
            ],
        ),
        (
            TEXT.replace("work = [2027-02-14]", "work = 2027-02-14"),
            [
                "holiday 2 (春节), work: '2027-02-14' 不是日期的列表 / is '2027-02-14'; write a list of dates, "
                "for example [2027-01-01]"
            ],
        ),
        (
            TEXT.replace("[2027-02-05, ", "[2027-02-05T00:00:00, 5, 'soon', '2027-02-30', "),
            [
                f"holiday 2 (春节), off {number}: '{written}' 不是日期或日期范围 / "
                f"'{written}' is no date and no range of dates; "
                'a date is written 2027-01-01, and a range "2027-01-01..2027-01-03"'
                for number, written in enumerate(("2027-02-05 00:00:00", "5", "soon", "2027-02-30"), 1)
            ],
        ),
        (
            TEXT.replace("2027-01-01..2027-01-03", "2027-01-03..2027-01-01"),
            [
                "holiday 1 (元旦), off 1: 范围 '2027-01-03..2027-01-01' 止早于起 / the range '2027-01-03..2027-01-01' "
                "ends before it begins"
            ],
        ),
        (
            TEXT.replace("2027-01-01..2027-01-03", "2027-01-01..2028-01-03"),
            [
                "holiday 1 (元旦), off 1: 范围 '2027-01-01..2028-01-03' 超过31日 / the range '2027-01-01..2028-01-03' "
                "has more than 31 days"
            ],
        ),
        (
            TEXT.replace("work = [2027-02-14]", "work = [2027-02-07]"),
            [
                "holiday 2 (春节), work 1: 2027-02-07 既列放假又列调休上班,见 holiday 2 (春节), off 3 / "
                "2027-02-07 is both a day off and a make-up working day: see holiday 2 (春节), off 3"
            ],
        ),
        (
            TEXT.replace("work = [2027-02-14]", "work = [2027-02-15]"),
            [
                "holiday 2 (春节), work 1: 2027-02-15 是星期一,本为工作日,无须调休 / "
                "2027-02-15 is made up, but it is a "
                "Monday, and worked anyway"
            ],
        ),
        (
            TEXT.replace("[2027-02-05, ", "[2027-01-02, "),
            [
                "holiday 2 (春节), off 1: 2027-01-02 重复列出,见 holiday 1 (元旦), off 1 / "
                "2027-01-02 is said twice: see holiday 1 (元旦), off 1"
            ],
        ),
        (
            TEXT.replace("[2027-02-05, ", "[2026-11-30, 2028-01-01, 2025-12-31, 2026-12-31, "),
            [
                f"holiday 2 (春节), off {number}: {day} 不在2027年,也不在上年12月 / "
                f"{day} lies neither in 2027 nor in the "
                "December before"
                for number, day in enumerate(("2026-11-30", "2028-01-01", "2025-12-31"), 1)
            ],
        ),
    ],
)
def test_a_fault_is_refused_with_its_place(text: str, found: list[str]) -> None:
    assert faults(text) == found


def test_a_text_that_is_not_toml_is_refused_with_the_line() -> None:
    for text, place in (("year = 2027\nnotice: 1", "第2行第7列"), ('year = 2027\nnotice = "x\n', "第2行第12列")):
        (found,) = faults(text)
        assert found.startswith(f"{place}不合TOML格式,常因缺少引号 / it is not TOML, often for want of a quote: ")
        assert "line 2" in found
    (found,) = faults("year = [2027")
    assert found.startswith("文件末尾不合TOML格式")


def test_the_holidays_of_every_year_that_a_table_lacks_are_named() -> None:
    def lacks(year: int, *names: str) -> tuple[str, ...]:
        rows = "".join(f'[[holiday]]\nname = "{name}"\noff = [{year}-01-0{n}]\n' for n, name in enumerate(names, 1))
        return read_overlay(f'year = {year}\nnotice = "测试用"\n{rows}').lacks

    assert lacks(2027, "元旦") == ("春节", "劳动节", "国庆节", "清明节", "端午节", "中秋节")
    assert lacks(2027, "元旦", "春节", "“五一”国际劳动节", "国庆节、中秋节") == ("清明节", "端午节")
    assert lacks(2007, "元旦", "春节", "劳动节", "国庆节") == ()


def test_everything_wrong_is_listed_at_once() -> None:
    assert [fault.partition(":")[0] for fault in faults("yaer = 2027\n[[holiday]]\noff = [1]\nwork = 2")] == [
        "没有“yaer”这一项,是否应为“year” / there is no key 'yaer'; did you mean 'year'? keys are",
        "year",
        "notice",
        "holiday 1, name",
        "holiday 1, off 1",
        "holiday 1, work",
    ]


@pytest.mark.parametrize("value", ["1" * 5000, "[" * 5000, f"{{a = {'[' * 5000}"])
def test_what_python_cannot_hold_is_refused(value: str) -> None:
    [fault] = faults(f"year = {value}\n")
    assert fault.startswith("数字过长或括号嵌套过深,不是放假安排 / a number or a nesting is too long for a notice: ")


def test_a_number_that_python_cannot_write_is_refused() -> None:
    assert faults(f"year = 0x{'f' * 5000}\n")[0].startswith("year: '…' 不是2000至2100的年份,")


def test_a_refusal_names_the_file_and_the_year(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(TEXT.replace("2027-02-14", "2027-02-15"), "utf-8")
    with pytest.raises(
        CalendarInvalid, match=r"^放假安排 .*bad\.toml不能使用 / the calendar overlay .*bad\.toml cannot be used:\n  - "
    ) as caught:
        read_overlay(path)
    assert (caught.value.fields["source"], caught.value.fields["year"]) == (str(path), 2027)


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    latin = tmp_path / "gbk.toml"
    latin.write_bytes(TEXT.encode("gb18030"))
    for path, complaint in (
        (tmp_path / "none.toml", "文件无法读取 / the file cannot be read: No such file or directory"),
        (tmp_path, "文件无法读取 / the file cannot be read: Is a directory"),
        (latin, "文件不是UTF-8编码,请另存为UTF-8 / the file is not UTF-8: "),
    ):
        with pytest.raises(CalendarInvalid) as caught:
            read_overlay(path)
        assert f"{path} cannot be used:\n  - {complaint}" in caught.value.message


def test_two_overlays_of_one_year_are_refused_with_both_files(tmp_path: Path) -> None:
    first, second, later = (tmp_path / name for name in ("a.toml", "b.toml", "c.toml"))
    first.write_text(TEXT, "utf-8")
    second.write_text(TEXT, "utf-8")
    later.write_text('year = 2028\nnotice = "notice of 2028"\n[[holiday]]\nname = "元旦"\noff = [2028-01-01]', "utf-8")

    assert [overlay.year for overlay in read_overlays([later, first])] == [2027, 2028]
    assert read_overlays([]) == []
    with pytest.raises(CalendarInvalid) as caught:
        read_overlays([first, later, second])
    assert f"two overlays are of the year 2027: {first} and {second}" in caught.value.message
    assert caught.value.fields["year"] == 2027


def test_an_amendment_may_be_dated_in_its_own_year() -> None:
    assert read_overlay(TEXT.replace("2026-11-04", "2027-03-22")).dated == date(2027, 3, 22)


def test_the_differences_are_days_of_another_kind_in_years_that_both_know(calendar: WorkingCalendar) -> None:
    extended = read_overlay(TEXT).on(calendar)
    found = calendar.differences(extended)

    assert found.days == (Change(date(2026, 12, 26), DayKind("weekend"), DayKind("make_up", "元旦")),)
    assert (found.only_before, found.only_after) == ((), (2027,))
    assert found.days[0].matters is True
    back = extended.differences(calendar)
    assert [(change.before.code, change.after.code) for change in back.days] == [("make_up", "weekend")]
    assert (back.only_before, back.only_after) == ((2027,), ())
    assert calendar.differences(calendar).days == ()


def test_a_weekend_day_that_becomes_a_holiday_is_a_change_that_does_not_matter(calendar: WorkingCalendar) -> None:
    notice = calendar.document()["years"]["2026"]
    off = [date.fromisoformat(day) for day in notice["off"]]
    work = [date.fromisoformat(day) for day in notice["work"]]
    amended = calendar.with_year(2026, [*off, date(2026, 3, 7), date(2026, 3, 9)], work, "amendment")

    assert [(change.day, change.matters) for change in calendar.differences(amended).days] == [
        (date(2026, 3, 7), False),
        (date(2026, 3, 9), True),
    ]


# ── a table that leaves days out ──


def amended(text: str) -> Overlay:
    return read_overlay(f'year = 2026\nnotice = "测试用"\n[[holiday]]\nname = "测试用"\n{text}')


def of_2026(calendar: WorkingCalendar, but: set[str], more_work: str = "") -> Overlay:
    """The table of 2026 as it is known, without some of its days."""
    known = calendar.document()["years"]["2026"]
    off, work = ([day for day in known[key] if day not in but] for key in ("off", "work"))
    more = [more_work] if more_work else []
    return amended(f"off = [{', '.join(off)}]\nwork = [{', '.join([*work, *more])}]\n")


def test_a_table_that_leaves_days_off_out_is_refused_with_their_names(calendar: WorkingCalendar) -> None:
    table = of_2026(calendar, {"2026-10-06", "2026-10-07"})
    with pytest.raises(CalendarInvalid) as caught:
        table.on(calendar)
    assert caught.value.fields["days"] == ["2026-10-06", "2026-10-07"]
    assert "缺少现行日历中的放假日 2026-10-06, 2026-10-07:" in caught.value.message
    assert "leaves out days that are given off now: 2026-10-06, 2026-10-07; of an" in caught.value.message
    meant = replace(table, replaces=True).on(calendar)
    assert [meant.is_working_day(date(2026, 10, day)) for day in (5, 6, 7)] == [False, True, True]


def test_a_table_that_leaves_days_out_that_are_made_up_is_refused_likewise(calendar: WorkingCalendar) -> None:
    table = of_2026(calendar, {"2026-10-07", "2026-10-10"})
    with pytest.raises(CalendarInvalid) as caught:
        table.on(calendar)
    assert caught.value.fields["days"] == ["2026-10-07", "2026-10-10"]
    assert "缺少现行日历中的放假日 2026-10-07、调休上班日 2026-10-10:" in caught.value.message
    assert "now: 2026-10-07, and days that are made up now: 2026-10-10; of an" in caught.value.message
    with pytest.raises(CalendarInvalid, match=r"的调休上班日 2026-10-10:.* that are made up now: 2026-10-10; "):
        of_2026(calendar, {"2026-10-10"}).on(calendar)
    meant = replace(table, replaces=True).on(calendar)
    assert [meant.describe(date(2026, 10, day)).code for day in (7, 10)] == ["working", "weekend"]


@pytest.mark.parametrize(("but", "work"), [(set(), ""), ({"2026-10-03", "2026-10-04"}, "2026-10-04")])
def test_a_weekend_that_a_table_leaves_out_or_makes_up_is_not_lost(
    calendar: WorkingCalendar, but: set[str], work: str
) -> None:
    found = of_2026(calendar, but, work).on(calendar)
    assert found.is_working_day(date(2026, 10, 4)) is bool(work)


def test_a_day_that_was_made_up_may_be_given_off(calendar: WorkingCalendar) -> None:
    table = of_2026(calendar, {"2026-10-10"})
    off = (*table.off, date(2026, 10, 10))
    found = replace(table, off=off, names={**table.names, date(2026, 10, 10): "国庆节"}).on(calendar)
    assert found.describe(date(2026, 10, 10)).zh == "放假(国庆节)"


@pytest.mark.parametrize("written", ["2027-W01-5", "20270101", "2027-001", "2027-W01-5..2027-01-03"])
def test_a_day_is_written_in_one_way_only(written: str) -> None:
    said = f'year = 2027\nnotice = "{NOTICE}"\n[[holiday]]\nname = "元旦"\noff = ["{written}"]\n'
    [fault] = faults(said)
    assert fault.startswith(
        f"holiday 1 (元旦), off 1: '{written}' 不是日期或日期范围 / '{written}' is no date and no range"
    )
