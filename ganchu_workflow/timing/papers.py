"""The State Council's notices behind the built-in calendar: their titles, and where they stand on its web site.

chinesecalendar has the days and names no notice. The addresses are those that holiday-cn (MIT, NateScarlet/holiday-cn,
commit d4e53bf) gives for its own table of the same days.
"""

from __future__ import annotations

from datetime import date

_SITE = "www.gov.cn/zhengce/zhengceku/"
_OF_YEAR = {
    2007: "http://{site}2008-03/28/content_1761.htm",
    2008: "http://{site}2008-03/28/content_1645.htm",
    2009: "http://{site}2008-12/10/content_1572.htm",
    2010: "http://{site}2009-12/08/content_1476.htm",
    2011: "http://{site}2010-12/10/content_1423.htm",
    2012: "http://{site}2011-12/06/content_1411.htm",
    2013: "http://{site}2012-12/10/content_1353.htm",
    2014: "http://{site}2014-01/02/content_1194.htm",
    2015: "http://{site}2014-12/16/content_9302.htm",
    2016: "http://{site}2015-12/10/content_10394.htm",
    2017: "http://{site}2016-12/01/content_5141603.htm",
    2018: "http://{site}2017-11/30/content_5243579.htm",
    2019: "http://{site}2018-12/06/content_5346276.htm",
    2020: "http://{site}2019-11/21/content_5454164.htm",
    2021: "http://{site}2020-11/25/content_5564127.htm",
    2022: "http://{site}2021-10/25/content_5644835.htm",
    2023: "http://{site}2022-12/08/content_5730844.htm",
    2024: "https://{site}202310/content_6911528.htm",
    2025: "https://{site}202411/content_6986383.htm",
    2026: "https://{site}202511/content_7047091.htm",
}
_LATER = {
    "国务院关于中国人民抗日战争暨世界反法西斯战争胜利70周年纪念日调休放假的通知 "
    f"http://{_SITE}2015-05/13/content_9742.htm": [date(2015, 9, day) for day in (3, 4, 5, 6)],
    f"国务院办公厅关于调整2019年劳动节假期安排的通知 http://{_SITE}2019-03/22/content_5375877.htm": [
        date(2019, 4, 28), *(date(2019, 5, day) for day in (1, 2, 3, 4, 5)),
    ],
    f"国务院办公厅关于延长2020年春节假期的通知 http://{_SITE}2020-01/27/content_5472352.htm": [
        date(2020, 1, 31), date(2020, 2, 1), date(2020, 2, 2),
    ],
}  # fmt: skip
_LATER_BY_DAY = {day: paper for paper, days in _LATER.items() for day in days}


def built_in_paper(year: int, day: date) -> str:
    """Title and address of the notice of `year` that names `day`; empty where it is not known here.

    A day that a later notice of the same year settled (2015, 2019, 2020) has that one.
    """
    if day in _LATER_BY_DAY:
        return _LATER_BY_DAY[day]
    address = _OF_YEAR.get(year)
    return f"国务院办公厅关于{year}年部分节假日安排的通知 {address.format(site=_SITE)}" if address else ""
