"""Whether a window as it is printed keeps its period, and what else an official should know about it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from typing import Literal
from zoneinfo import ZoneInfo

from ganchu_workflow.errors import PeriodInvalid
from ganchu_workflow.timing.calendar import WorkingCalendar
from ganchu_workflow.timing.days import day_it_ends, local, rolled
from ganchu_workflow.timing.interruptions import Interruption, days_down, end_as_seen, times_down
from ganchu_workflow.timing.periods import Period
from ganchu_workflow.timing.reckoning import shown, shown_end
from ganchu_workflow.timing.windows import end_of


@dataclass(frozen=True, slots=True)
class Anomaly:
    """Something an official should know about a printed window; the window stands as printed until an act changes it.

    `code` is `dated_after_start`, `dated_after_publication`, `published_late`, `ends_on_rest_day`,
    `shorter_than_minimum`, `taken_down` or `provisional`; `severity` is `error` where the window is shorter than its
    period under the period's own reading, otherwise `warning`. `remedy` is the earliest closing instant, never before
    the printed one, that would cure it: the printed one itself where the window is long enough as it stands, or where
    another end would cure nothing.
    """

    code: Literal[
        "dated_after_start",
        "dated_after_publication",
        "published_late",
        "ends_on_rest_day",
        "shorter_than_minimum",
        "taken_down",
        "provisional",
    ]
    severity: Literal["warning", "error"]
    zh: str
    en: str
    remedy: datetime


def check_printed(
    *,
    dated_on: date,
    published_at: datetime | None,
    opens_at: datetime,
    closes_at: datetime,
    period: Period,
    calendar: WorkingCalendar,
    zone: ZoneInfo,
    close_of_business: time,
    minimum: Period | None = None,
    interruptions: Iterable[Interruption] = (),
) -> list[Anomaly]:
    """What is irregular in a printed window (落款日期, 发布时刻, 起, 止), which should keep `period` and `minimum`.

    Each of the two, and what either is never under, is reckoned from the later of `opens_at` and `published_at`,
    strictly: the start day not counted (民法典 §201), whatever the period itself says. `published_at` is None while the
    notice is not yet published. Nothing is changed: once published, the printed instants are authoritative.

    `interruptions` are the times, pairs of instants, at which the notice was taken down; the second is None while it
    is down. No law says how such a day counts. This is the cautious reading: a day during which it was down, even for
    hours, is not counted, and the remedy of `taken_down` is the end reckoned over the days on which it was to be seen
    throughout (of a period in hours, over that time). While it is down the remedy supposes that it is up again from
    00:00 of the day after the printed end on. Times that overlap are one; what lies outside the window took nothing
    from it.

    `provisional` says that the printed last day, or an end or a remedy that it was held against, lies in a December
    that the next year's notice, not yet loaded, could still change.

    Raises `PeriodInvalid` for a naive datetime, a `dated_on` that is no date, or a window or an interruption that does
    not end after it begins; `YearNotPublished` when the window or a remedy reaches into a year that is not loaded.
    """
    opens, closes = local("opens_at", opens_at, zone), local("closes_at", closes_at, zone)
    published = opens if published_at is None else local("published_at", published_at, zone)
    if isinstance(dated_on, datetime) or not isinstance(dated_on, date):
        raise PeriodInvalid(f"dated_on is the date printed on the document, not {dated_on!r}")
    if closes <= opens:
        raise PeriodInvalid(
            f"公示的止({shown(closes)})不晚于起({shown(opens)}) / the window closes at {closes.isoformat()}, not after "
            f"it opens at {opens.isoformat()}"
        )

    def end(one: Period, start: datetime) -> datetime:
        return end_of(one, start, calendar, zone, close_of_business)[0]

    required = [*period.parts, *(() if minimum is None else minimum.parts)]
    strict: dict[Period, list[Period]] = {}
    for one in required:
        strict.setdefault(replace(one, counts_start=False), []).append(one)

    def long_enough_from(start: datetime) -> datetime:
        return max(closes, *(end(one, start) for one in strict))

    found = []
    if dated_on > opens.date():
        remedy = long_enough_from(datetime.combine(dated_on, time(0, 0), tzinfo=zone))
        zh = f"落款日期{dated_on}晚于公示开始日{opens.date()}"
        en = f"the document is dated {dated_on}, after the window opened on {opens.date()}"
        found.append(Anomaly("dated_after_start", "warning", zh, en, remedy))
    elif dated_on > published.date():
        zh = f"落款日期{dated_on}晚于实际发布日{published.date()}"
        en = f"the document is dated {dated_on}, after it was published on {published.date()}"
        found.append(Anomaly("dated_after_publication", "warning", zh, en, closes))
    if published > opens:
        zh = f"实际发布时刻{shown(published)}晚于公示开始时刻{shown(opens)}"
        en = f"it was published at {shown(published)}, after the window opened at {shown(opens)}"
        found.append(Anomaly("published_late", "warning", zh, en, long_enough_from(published)))
    last_day = day_it_ends(closes)
    kind = calendar.describe(last_day)
    if not kind.works:
        remedy = closes + (rolled(last_day, calendar)[-1].date - last_day)
        zh = f"公示截止日{last_day}为休息日({kind.zh}),宜顺延至{shown_end(remedy)}"
        en = f"the window ends on {last_day}, a rest day ({kind.en}); better the next working day, {shown_end(remedy)}"
        found.append(Anomaly("ends_on_rest_day", "warning", zh, en, remedy))
    start = max(opens, published)
    for strictly, own in strict.items():
        remedy = end(strictly, start)
        if closes < remedy:
            by_itself = max(end(one, start) for one in own)
            severity: Literal["warning", "error"] = "error" if closes < by_itself else "warning"
            zh = f"公示期短于{strictly.label_zh()}:最早应于{shown_end(remedy)}截止"
            en = f"the window is shorter than {strictly}, start day not counted: that ends at {shown_end(remedy)}"
            found.append(Anomaly("shorter_than_minimum", severity, zh, en, remedy))
    interruptions = list(interruptions)
    times = times_down(interruptions, start, closes, zone)
    if times and times[0][0] < closes:
        still_down = any(ends is None for _, ends in interruptions)
        found.append(_taken_down(still_down, times, start, closes, required, calendar, zone, close_of_business))
    by_calendar = [one for one in (*required, *strict) if one.rolls and not one.unit.in_hours]
    ends = {closes, *(end(one, start) for one in by_calendar), *(anomaly.remedy for anomaly in found)}
    found += _provisional(sorted(map(day_it_ends, ends)), closes, calendar)
    return found


def _taken_down(
    still_down: bool,
    times: list[tuple[datetime, datetime]],
    start: datetime,
    closes: datetime,
    required: Sequence[Period],
    calendar: WorkingCalendar,
    zone: ZoneInfo,
    close_of_business: time,
) -> Anomaly:
    def end(one: Period) -> datetime:
        return end_as_seen(one, start, times, calendar, zone, close_of_business)

    remedy = max(closes, *(end(replace(one, counts_start=False)) for one in required))
    severity: Literal["warning", "error"] = "error" if closes < max(map(end, required)) else "warning"
    within = [(begins, min(ends, closes)) for begins, ends in times if begins < closes]
    zh, en = _lost(within, {one.unit.in_hours for one in required})
    if remedy == closes:
        zh, en = f"{zh}其余时间仍足期限", f"{en}the rest is still enough"
    else:
        zh, en = f"{zh}最早应于{shown_end(remedy)}截止", f"{en}the window should not end before {shown_end(remedy)}"
        if still_down:
            zh = f"{zh}(尚未恢复,以原截止次日零时起公示计)"
            en = f"{en}, if it is to be seen again from the day after the printed end on"
    return Anomaly("taken_down", severity, zh, en, remedy)


def _lost(within: list[tuple[datetime, datetime]], in_hours: set[bool]) -> tuple[str, str]:
    """What does not count, in both languages: the days of a period in days, the time itself of one in hours."""
    days = [(str(first), str(last)) for first, last in days_down(within)]
    times = [(shown(begins), shown_end(ends)) for begins, ends in within]
    zh, en = _listed(days, "至", "、"), _listed(days, " to ", ", ")
    if in_hours == {False}:
        return (
            f"公示期间曾撤下,未全天公示之日({zh})从严不计入:",
            f"the notice was down on {en}; read cautiously these days do not count: ",
        )
    time_zh, time_en = _listed(times, "至", "、"), _listed(times, " to ", ", ")
    if in_hours == {True}:
        return (
            f"公示期间曾撤下,撤下的时间({time_zh})从严不计入:",
            f"the notice was down from {time_en}; read cautiously this time does not count: ",
        )
    return (
        f"公示期间曾撤下,按日计的期限不计未全天公示之日({zh}),按小时计的期限不计撤下的时间({time_zh}),均从严:",
        f"the notice was down from {time_en}; read cautiously this time does not count in hours, nor the days {en} in "
        "days: ",
    )


def _provisional(days: Sequence[date], closes: datetime, calendar: WorkingCalendar) -> Iterator[Anomaly]:
    """One anomaly where one of `days` may still change; an end in hours may lie in a year that is not loaded."""
    for day in days:
        if day.year in calendar.years and calendar.is_provisional(day):
            after = day.year + 1
            zh = f"{after}年放假安排尚未导入,可能调整{day.year}年12月的日子:本核对为暂定,导入后请重新核对"
            en = (
                f"the notice of {after} is not loaded, and may change days of December {day.year}: this check is "
                "provisional; load the notice, then check again"
            )
            yield Anomaly("provisional", "warning", zh, en, closes)
            return


def _listed(rows: Sequence[tuple[str, str]], to: str, comma: str) -> str:
    return comma.join(first if first == last else f"{first}{to}{last}" for first, last in rows)
