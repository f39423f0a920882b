"""The imports of calendars are part of what verification reads: changed or taken away, each is named."""

from collections.abc import Iterator

import pytest

from tests.audit.tampering import Bench, Record
from tests.engine.test_calendar_import import NEW_YEAR
from tests.engine.timed_process import CALENDAR, OFFICE, Timed

IMPORT = "ganchu_calendar_import"


@pytest.fixture
def bench(database_url: str) -> Iterator[Bench]:
    """A record in which a round goes by a calendar that an office imported, without its triggers."""
    timed = Timed(database_url, calendar=CALENDAR)
    timed.to("2026-11-20 10:00")
    timed.wf.import_calendar(NEW_YEAR, actor=OFFICE)
    with Record(timed.wf.database, {"round": timed.round}).disarmed() as bench:
        yield bench
    timed.wf.database.dispose()


def test_a_changed_import_is_found(bench: Bench) -> None:
    row = bench.row(IMPORT)
    altered = [("import_altered", f"{IMPORT} {row['id']}")]
    bodies = [row["body"].replace("2027-01-03", "2027-01-04"), row["body"].replace("测试1号", "测试2号"), "no JSON"]

    assert [bench.found_after(IMPORT, {"body": body}, id=row["id"]) for body in bodies] == [altered] * 3
    assert bench.found_after(IMPORT, {"year": 2026}, id=row["id"]) == altered
    gone = ("import_missing", f"{IMPORT} of the digest {row['digest']}")
    assert bench.found_after(IMPORT, {"digest": "0" * 64}, id=row["id"]) == [*altered, gone]


def test_a_missing_import_is_found_and_another_is_nobodys_business(bench: Bench) -> None:
    row = bench.row(IMPORT)

    assert bench.found_without(IMPORT, id=row["id"]) == [("import_missing", f"{IMPORT} of the digest {row['digest']}")]
    assert bench.found_with(IMPORT, {**row, "id": "0" * 26}) == []
    # Who imported it, and when, no event says.
    assert bench.found_after(IMPORT, {"actor": "office#nobody", "imported_at": 0}, id=row["id"]) == []


def test_the_calendar_that_a_round_was_opened_with_is_kept_with_it(bench: Bench) -> None:
    version = CALENDAR.version
    name = f"ganchu_calendar_version {version}"
    assert bench.found_without("ganchu_calendar_version", version=version) == [("calendar_missing", name)]
