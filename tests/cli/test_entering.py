"""补录 from a terminal: the options of a late entry, what they need, and what the record then says."""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from ganchu_workflow.clock import from_text
from ganchu_workflow.testing import RoundScript, firm, usual_plan
from tests.cli.command import Done, ganchu

CLOSES = "2021-09-03T17:30"
WINDOW = {"window": {"opens": "2021-08-02T01:00:00.000000Z", "closes": "2021-09-03T09:30:00.000000Z"}}


@pytest.fixture
def script(database_url: str) -> Iterator[RoundScript]:
    script = RoundScript(usual_plan(self_declaration=WINDOW), database=database_url)
    script.draft("水表")
    script.at("2021-09-04T09:00")
    assert script.state("水表") == "self_declaration.lapsed"
    yield script
    script.close()


def submit(script: RoundScript, folder: Path, *more: str, case: str = "") -> Done:
    url = script.wf.database.url.render_as_string(hide_password=False)
    args = ["fire", case or script.id("水表"), "submit", "--as", "applicant:firm-水表", "--data", '{"truthful": true}']
    return ganchu(*args, *more, cwd=folder, env={"GANCHU_DB": url, "GANCHU_AT": "2021-09-04T10:00"})


def test_paper_that_came_in_time_is_entered_late(script: RoundScript, tmp_path: Path) -> None:
    (tmp_path / "收文.pdf").write_bytes(b"%PDF-1.7 invented")
    entered = ("--reason", "窗口收件", "--evidence", "收文.pdf", "--entered-by", "office#u-17")

    late = submit(script, tmp_path, "--received-at", "2021-09-03T17:30:00.000001", *entered)
    done = submit(script, tmp_path, "--received-at", CLOSES, *entered)

    assert (late.code, "window_closed" in late.err) == (3, True)
    assert (done.code, done.err) == (0, "")
    assert done.out.endswith("self_declaration.lapsed → self_declaration.submitted\n")
    event = script.history("水表")[-1]
    assert from_text(event["received_at"]) == script.instant(CLOSES)
    assert event["entry"]["by"] == {"role": "office", "scope": "", "person": "u-17"}
    assert event["entry"]["evidence"]["sha256"] == sha256(b"%PDF-1.7 invented").hexdigest()
    assert event["actor"]["scope"] == firm("水表").scope
    assert "收文" not in str(event)


def test_a_refused_late_entry_stands_where_it_was_tried_with_what_it_claims_and_who_entered_it(
    script: RoundScript, tmp_path: Path
) -> None:
    (tmp_path / "a.pdf").write_bytes(b"x")
    entered = ("--reason", "窗口收件", "--evidence", "a.pdf", "--entered-by", "office#u-17")
    first = submit(script, tmp_path)
    assert [first.code, submit(script, tmp_path, "--received-at", "2021-09-03T17:31", *entered).code] == [3, 3]

    url = script.wf.database.url.render_as_string(hide_password=False)
    done = ganchu("attempts", script.round, cwd=tmp_path, env={"GANCHU_DB": url})

    # At one instant two processes have tried it: which was first, the record cannot tell.
    rows = [line.partition("  ") for line in done.out.splitlines() if not line.startswith(" ")]
    assert [when for when, _, _ in rows] == ["2021-09-04 10:00:00+08:00"] * 2
    late = "    补录 / entered late: office#u-17  收到 / received 2021-09-03 17:31:00+08:00"
    assert [line for line in done.out.splitlines() if line.startswith(" ")] == [late]
    before = done.out.splitlines()[done.out.splitlines().index(late) - 1]
    words = "当时已超过截止时间(2021-09-03 17:30+08:00);此前收到纸件的,该事项允许时可补录"
    assert before.endswith(f"  applicant:firm-水表  self_declaration.submit  window_closed  {words}")


def test_what_comes_late_is_told_when_the_window_closed_and_that_paper_may_be_entered_late(
    script: RoundScript, tmp_path: Path
) -> None:
    done = submit(script, tmp_path)
    zh = "当时已超过截止时间(2021-09-03 17:30+08:00);此前收到纸件的,该事项允许时可补录"
    closed = "the window had closed (2021-09-03 17:30+08:00)"
    en = f"{closed}; what was received on paper before that may be entered late, where the act allows it"
    assert (done.code, done.err.splitlines()) == (
        3,
        ["不予办理 / refused [window_closed]", f"[submit @ self_declaration.lapsed]: {zh} / {en}"],
    )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--received-at", CLOSES], "a late entry states why (--reason) and what shows it (--evidence FILE)"),
        (["--reason", "x"], "--reason and --evidence are of a late entry: give --received-at as well"),
        (["--received-at", CLOSES, "--reason", "x", "--evidence", "no.pdf"], "--evidence: no.pdf cannot be read"),
        (
            ["--received-at", "2021-09-03", "--reason", "x", "--evidence", "a.pdf"],
            "--received-at:只写了日期“2021-09-03”,请写明时分,如 2021-09-03T09:00(北京时间) / "
            "'2021-09-03' is a date without an hour; write it like 2021-09-03T09:00 (Beijing time)",
        ),
        (["--received-at", "20210903", "--reason", "x", "--evidence", "a.pdf"], "如 2021-09-03T09:00"),
        (
            ["--received-at", CLOSES, "--reason", "x", "--evidence", "a.pdf", "--entered-by", "applicant"],
            "the role 'applicant' acts for somebody",
        ),
        (
            ["--received-at", "gestern", "--reason", "x", "--evidence", "a.pdf"],
            "--received-at: 不是时刻,请写如 2021-09-03T17:30 / 'gestern' is no instant",
        ),
        (
            ["--received-at", "2031-01-01T09:00", "--reason", "x", "--evidence", "a.pdf"],
            "nothing is received in the future",
        ),
    ],
)
def test_what_is_missing_is_asked_for_and_nothing_is_entered(
    script: RoundScript, tmp_path: Path, options: list[str], words: str
) -> None:
    (tmp_path / "a.pdf").write_bytes(b"x")
    done = submit(script, tmp_path, *options)
    assert (done.code, words in done.err) == (2, True)
    assert script.state("水表") == "self_declaration.lapsed"


def test_paper_of_24_00_came_at_the_end_of_that_day(script: RoundScript, tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(b"x")
    done = submit(script, tmp_path, "--received-at", "2021-09-02T24:00", "--reason", "x", "--evidence", "a.pdf")

    assert (done.code, done.err) == (0, "")
    assert from_text(script.history("水表")[-1]["received_at"]) == script.instant("2021-09-03T00:00")


def test_the_present_instant_has_its_hour_too(tmp_path: Path) -> None:
    done = ganchu("tick", "--at", "2021-09-04", cwd=tmp_path, env={"GANCHU_DB": "sqlite:///none.db"})
    assert (done.code, done.err.splitlines()[1]) == (
        2,
        "--at:只写了日期“2021-09-04”,请写明时分,如 2021-09-04T09:00(北京时间) / '2021-09-04' is a date without an "
        "hour; write it like 2021-09-04T09:00 (Beijing time)",
    )
