"""The folder of a round's papers, written from a round that has really been played, on each database."""

import json
import os
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from importlib.resources import as_file, files
from io import BytesIO
from pathlib import Path
from stat import S_IMODE

import pytest
from openpyxl import load_workbook
from sqlalchemy import select

from ganchu_workflow import Role
from ganchu_workflow.canonical import encode
from ganchu_workflow.cli.demo import MARK
from ganchu_workflow.cli.demo.command import leave_mail
from ganchu_workflow.cli.demo.narrator import ZONE, Narrator
from ganchu_workflow.cli.demo.story import OFFICE, Story
from ganchu_workflow.cli.papers.folder import MARKER, Papers, check_folder, write_folder
from ganchu_workflow.cli.papers.jsonl import history_lines
from ganchu_workflow.cli.papers.lists import Listing
from ganchu_workflow.cli.papers.xlsx import ExtraMissing, csv_files, label_of, workbook
from ganchu_workflow.clock import SimulatedClock
from ganchu_workflow.entropy import SeededEntropy
from ganchu_workflow.errors import Invalid, Unknown
from ganchu_workflow.store.database import read
from ganchu_workflow.store.tables import METADATA
from ganchu_workflow.workflow import Workflow
from tests.cli.paper_reading import Page
from tests.cli.test_papers import wide
from tests.conftest import KINDS, DatabaseOf

PRIVATE = METADATA.tables["ganchu_private_value"]
HEADINGS = ("序号", "申报编号", "企业名称", "产品名称", "所在地", "推荐单位", "环节", "状态", "推荐函", "推荐排序")


@dataclass(frozen=True)
class Played:
    """The round of the small demonstration when its story is over."""

    workflow: Workflow
    round: str


@contextmanager
def playing(url: str, *, story: bool = True) -> Iterator[Played]:
    """The small demonstration on an empty database; without `story` the round is only opened."""
    clock = SimulatedClock(datetime(2021, 7, 30, 9, tzinfo=ZONE))
    workflow = Workflow(url, clock=clock, entropy=SeededEntropy("papers"))
    try:
        with as_file(files("ganchu_workflow.cli.demo") / "plan.toml") as plan:
            if story:
                narrator = Narrator(workflow, clock, lambda line: None)
                Story(narrator).play(plan)
                yield Played(workflow, narrator.round)
            else:
                yield Played(workflow, workflow.open_round(plan, actor=OFFICE).case_id)
    finally:
        workflow.database.dispose()


@pytest.fixture(scope="module", params=KINDS)
def played(request: pytest.FixtureRequest, database_of: DatabaseOf) -> Iterator[Played]:
    """The round played once for all tests of the module, on each kind of server."""
    with database_of(request.param) as url, playing(url) as found:
        yield found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that does not exist yet."""
    return tmp_path / "papers"


def written(played: Played, folder: Path) -> Papers:
    return write_folder(played.workflow, played.round, folder)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_the_folder_holds_every_paper_and_its_summary_the_digest_of_each(played: Played, folder: Path) -> None:
    papers = written(played, folder)
    names = ["notice-1.html", "notice-2.html", "announcement-1.html", "history.jsonl", "applications.xlsx"]
    assert [w.name for w in papers.files] == [*names, "process.mmd", "process.svg", "summary.md"]
    there = contents(folder)
    assert set(there) == {w.name for w in papers.files} | {MARKER}
    assert {w.name: (w.size, w.sha256) for w in papers.files} == {
        name: (len(octets), sha256(octets).hexdigest()) for name, octets in there.items() if name != MARKER
    }
    summary = there["summary.md"].decode()
    listed = [line.split(" | ") for line in summary.split("## 文件")[1].splitlines() if "`" in line]
    assert [(r[0].removeprefix("| "), r[3].strip("`| ")) for r in listed] == [
        (w.name, w.sha256) for w in papers.files[:-1]
    ]
    assert papers.report.ok


def test_another_run_on_another_database_gives_the_same_bytes(played: Played, folder: Path, sqlite_url: str) -> None:
    written(played, folder)
    again = folder.with_name("again")
    with playing(sqlite_url) as other:
        assert other.workflow.database.url != played.workflow.database.url
        written(other, again)
    assert contents(again) == contents(folder)


def test_papers_are_written_again_and_what_is_out_of_date_goes(played: Played, folder: Path) -> None:
    written(played, folder)
    first = contents(folder)
    (folder / "notice-9.html").write_text("of an earlier round")
    (folder / ".history.jsonl.part").write_text("half of it")
    (folder / "mail").mkdir()
    write_folder(played.workflow, played.round, folder, beside=["mail"])
    (folder / "mail").rmdir()
    assert contents(folder) == first


def test_what_is_internal_is_its_owners_alone(played: Played, folder: Path, tmp_path: Path) -> None:
    """In a folder made for it, and in one that was there; over papers that everybody could read as well."""
    there = tmp_path / "there"
    there.mkdir(mode=0o755)
    before = os.umask(0o022)
    try:
        written(played, folder)
        written(played, there)
        for path in there.iterdir():
            path.chmod(0o644)
        (there / ".history.jsonl.part").touch(mode=0o644)
        written(played, there)
    finally:
        os.umask(before)

    assert [S_IMODE(f.stat().st_mode) for f in (folder, there)] == [0o700, 0o755]
    public = {"notice-1.html", "notice-2.html", "announcement-1.html", "process.mmd", "process.svg"}
    own = {"history.jsonl", "applications.xlsx", "summary.md"}
    for found in (folder, there):
        modes = {path.name: S_IMODE(path.stat().st_mode) for path in found.iterdir() if path.name != MARKER}
        assert modes == dict.fromkeys(public, 0o644) | dict.fromkeys(own, 0o600)


def test_of_the_mail_that_lies_there_only_our_own_is_replaced(folder: Path, sqlite_url: str) -> None:
    mail = folder / "mail"
    mail.mkdir(parents=True)
    strangers = ["offer.eml", f"{'x' * 26}.eml", f"{'0' * 25}.eml", f"{'0' * 26}.txt"]
    for name in (*strangers, f"{'0' * 26}.eml"):
        (mail / name).write_text("of an earlier time", "utf-8")

    with playing(sqlite_url) as played:
        ids = [f"{m['id']}.eml" for m in played.workflow.messages(played.round)]
        assert leave_mail(played.workflow, played.round, folder, lambda *_: None) == len(ids) > 1

    assert sorted(p.name for p in mail.iterdir()) == sorted(ids + strangers)


def test_an_interrupted_run_leaves_whole_files_and_no_summary(played: Played, folder: Path) -> None:
    written(played, folder)
    whole = contents(folder)

    def stop(name: str) -> None:
        if name == "announcement-1.html":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_folder(played.workflow, played.round, folder, say=stop)
    assert contents(folder) == {name: octets for name, octets in whole.items() if name != "summary.md"}
    written(played, folder)
    assert contents(folder) == whole


@pytest.mark.parametrize("marked", [False, True])
def test_a_folder_with_something_else_in_it_is_refused_and_left_alone(
    marked: bool, sqlite_url: str, folder: Path
) -> None:
    with playing(sqlite_url, story=False) as opened:
        folder.mkdir()
        (folder / "thesis.doc").write_text("years of work")
        if marked:
            (folder / MARKER).write_text("")
        before = contents(folder)
        with pytest.raises(Invalid, match=r"not papers of a round \(thesis.doc\)"):
            written(opened, folder)
        assert contents(folder) == before


def test_our_names_without_our_marker_are_somebody_elses_files(tmp_path: Path) -> None:
    (tmp_path / "summary.md").write_text("mine")
    (tmp_path / "mail").mkdir()
    for beside in ([], ["mail"], ["mail", "summary.md"]):
        with pytest.raises(Invalid, match=r"\((mail|summary\.md)"):
            check_folder(tmp_path, beside=beside)
    (tmp_path / MARKER).touch()
    check_folder(tmp_path, beside=["mail"])
    with pytest.raises(Invalid, match=r"\(mail\)"):
        check_folder(tmp_path)


def test_a_file_or_a_folder_in_nowhere_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(Invalid, match="is a file"):
        check_folder(file)
    with pytest.raises(Invalid, match="create it first"):
        check_folder(tmp_path / "no" / "where")
    check_folder(tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_round_that_does_not_exist_leaves_no_folder(sqlite_url: str, folder: Path) -> None:
    with playing(sqlite_url, story=False) as opened, pytest.raises(Unknown):
        write_folder(opened.workflow, "01NOSUCHROUND", folder)
    assert not folder.exists()


def test_a_round_without_an_application_has_its_papers_too(database_url: str, folder: Path) -> None:
    with playing(database_url, story=False) as opened:
        papers = written(opened, folder)
        expected = ["history.jsonl", "applications.xlsx", "process.mmd", "process.svg", "summary.md"]
    assert [w.name for w in papers.files] == expected
    assert (papers.funnel.declared, papers.funnel.chosen, papers.funnel.cities) == (0, 0, ())
    summary = (folder / "summary.md").read_text("utf-8")
    assert "尚无公示。" in summary and "尚未公布。" in summary
    sheets = load_workbook(folder / "applications.xlsx").worksheets
    assert [(s.title, s.max_row) for s in sheets] == [("总表", 2), ("推荐单位汇总", 3), ("公布名单", 2)]


def test_a_real_round_carries_no_mark_in_any_file(sqlite_url: str, folder: Path) -> None:
    plan = tomllib.loads((files("ganchu_workflow.cli.demo") / "plan.toml").read_text("utf-8"))
    workflow = Workflow(sqlite_url, clock=SimulatedClock(datetime(2021, 7, 30, 9, tzinfo=ZONE)))
    round_id = workflow.open_round(plan | {"title": "某评选", "demonstration": False}, actor=OFFICE).case_id
    papers = write_folder(workflow, round_id, folder)
    workflow.database.dispose()
    assert {w.name for w in papers.files if MARK in _readable(w.name, (folder / w.name).read_bytes())} == set()
    assert "invented" not in (folder / "summary.md").read_text("utf-8")
    first = (folder / "history.jsonl").read_text("utf-8").splitlines()[0]
    assert json.loads(first)["trigger"] == "open_round"


# ── what stands in them ──


def test_notices_and_announcement_show_the_frozen_lists(played: Played, folder: Path) -> None:
    written(played, folder)
    pages = {path.stem: Page(path.read_text("utf-8")) for path in folder.glob("*.html")}
    city = wide("东市") + "(虚构)"
    assert pages["notice-1"].rows[1:] == [
        ["1", "示例企业甲(虚构)", "示例智能水表", city],
        ["2", "示例企业乙(虚构)", "示例数控机床", city],
        ["3", "示例企业癸(虚构)", "示例锂电材料", city],
        ["4", "示例企业子(虚构)", "示例起重机", city],
    ]
    assert pages["notice-2"].rows[1:] == [["1", "示例企业壬(虚构)", "示例陶瓷餐具", city]]
    assert pages["announcement-1"].rows[1:] == [
        ["1", "DEMO-2021-001", "示例企业甲(虚构)", "示例智能水表", city],
        ["2", "DEMO-2021-002", "示例企业乙(虚构)", "示例数控机床", city],
        ["3", "DEMO-2021-003", "示例企业子(虚构)", "示例起重机", city],
        ["4", "DEMO-2021-004", "示例企业壬(虚构)", "示例陶瓷餐具", city],
    ]
    for number, notice in enumerate(played.workflow.cases(played.round, "notice"), start=1):
        (text,) = pages[f"notice-{number}"].texts("p.digest")
        assert text.endswith(notice.facts["digest"])
    steps = "企业自主申报、地方推荐、资格审查、专家评审、征求部门意见"
    assert steps + wide(",形成公示名单") in pages["notice-1"].texts("p")[0]


def test_the_history_is_every_event_in_the_order_of_the_cases(played: Played, folder: Path) -> None:
    papers = written(played, folder)
    lines = (folder / "history.jsonl").read_bytes().decode("utf-8").removesuffix("\n").split("\n")
    workflow = played.workflow
    events = [event for case in workflow.cases(played.round) for event in workflow.history(case)]
    assert lines == [encode({"mark": MARK}), *map(encode, events)]
    assert len(events) == papers.report.events
    assert lines == list(history_lines(workflow, played.round))
    assert json.loads(lines[1])["trigger"] == "open_round"


def test_the_workbook_reads_back_as_the_cases(played: Played, folder: Path) -> None:
    written(played, folder)
    book = load_workbook(folder / "applications.xlsx")
    assert book.sheetnames == ["总表", "推荐单位汇总", "公布名单"]
    assert [s["A1"].value for s in book] == [label_of(MARK)] * 3
    process = played.workflow.process(played.round)
    places = {"DEMO-A": "东市(虚构)", "DEMO-B": "西市(虚构)"}
    rows = []
    for number, case in enumerate(played.workflow.cases(played.round, "application"), start=1):
        facts, recommendation = case.facts, case.facts.get("recommendation") or {}
        rows.append(
            (
                *(number, facts.get("number"), facts["enterprise"], facts["product"]),
                *(places[facts["city"]], places[facts["recommender"]]),
                *(type(process.stage(case.stage).stage).label, process.state(case).label),
                *(recommendation.get("letter"), recommendation.get("rank")),
            )
        )
    assert len(rows) == 13
    assert list(book["总表"].iter_rows(min_row=2, values_only=True)) == [HEADINGS, *rows]
    assert list(book["推荐单位汇总"].iter_rows(min_row=3, values_only=True)) == [
        ("东市(虚构)", 10, 8, 7, 5, 5, 5, 4, 4),
        ("西市(虚构)", 3, 3, 2, 2, 0, 0, 0, 0),
        ("合计", 13, 11, 9, 7, 5, 5, 4, 4),
    ]
    announced = list(book["公布名单"].iter_rows(min_row=3, values_only=True))
    assert [row[1] for row in announced] == [f"DEMO-2021-00{n}" for n in range(1, 5)]
    assert announced[3][2:] == ("示例企业壬(虚构)", "示例陶瓷餐具", "东市(虚构)", "演发〔2021〕1号", "2021-12-16")
    for sheet in book:
        assert (sheet.freeze_panes, sheet.print_title_rows) == ("A3", "$1:$2")
        assert sheet.oddHeader.right.text == wide(f"{MARK} · 内部资料,不对外公开")
        assert sheet.oddFooter.left.text == MARK


def test_no_private_value_is_in_any_file(played: Played, folder: Path) -> None:
    written(played, folder)
    with read(played.workflow.database) as connection:
        rows = connection.execute(select(PRIVATE.c.field, PRIVATE.c.value)).all()
    assert {"contact", "name", "ground", "witness", "reason"} <= {row.field for row in rows}
    # The secret of a draw is published when it is drawn: that is what makes the draw verifiable.
    kept = [json.loads(row.value) for row in rows if row.field != "draw_secret"]
    values = {text for value in kept for text in _texts(value) if len(text) > 3}
    assert {"演示联系人甲", "演示公民一", "演示地址", "演示监督员"} <= values
    texts = {name: _readable(name, octets) for name, octets in contents(folder).items()}
    assert {(name, v) for name, text in texts.items() for v in values if v in text} == set()


def test_references_to_people_stay_in_the_history(played: Played, folder: Path) -> None:
    written(played, folder)
    people = {c.parties[Role.EXPERT] for c in played.workflow.cases(played.round, "seat")}
    people |= {"demo-citizen-一", "demo-firm-甲", "demo-operator-甲", "demo-office-1"}
    found = {
        name for name, octets in contents(folder).items() for person in people if person in _readable(name, octets)
    }
    assert found == {"history.jsonl"}  # that one is the office's, and says so in the summary


def _texts(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [t for v in value.values() for t in _texts(v)]
    return [t for v in value for t in _texts(v)] if isinstance(value, list) else []


def _readable(name: str, octets: bytes) -> str:
    if not name.endswith(".xlsx"):
        return octets.decode("utf-8")
    with zipfile.ZipFile(BytesIO(octets)) as archive:
        return "".join(archive.read(n).decode("utf-8") for n in archive.namelist())


def test_the_summary_says_what_was_found(played: Played, folder: Path) -> None:
    papers = written(played, folder)
    summary = (folder / "summary.md").read_text("utf-8")
    lines = summary.splitlines()
    assert lines[0] == "# “赣出精品”评选流程演示(虚构数据)"
    assert lines[2].startswith(f"**【{MARK}】** ") and lines[2].endswith("its course and results are invented.")
    assert wide("申报 13 项,公布 4 项。案件") in summary
    assert f"核验 {papers.report.cases} 件案件、{papers.report.events} 条事件" in summary
    for kind in ("notice", "announcement_act"):
        for case in played.workflow.cases(played.round, kind):
            assert f"名单摘要{wide(':')}`{case.facts['digest']}`" in summary
    assert wide("2021年10月27日9时至2021年11月3日17时30分;规则 5个工作日(公布当日不计)") in summary


# ── lists ──

NASTY = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "http://a.invalid", "007", "=HYPERLINK(1)", "{=1}", '甲,"乙"\n丙']
LISTING = Listing("总表", "applications", ("序号", "产品名称"), tuple(enumerate(NASTY, start=1)))
CREATED = datetime(2021, 7, 30, 9, tzinfo=ZONE)


def test_a_text_in_the_workbook_is_text_whatever_it_looks_like() -> None:
    octets = workbook([LISTING], title="甲&乙", mark=MARK, created=CREATED)
    sheet = load_workbook(BytesIO(octets))["总表"]
    cells = [sheet.cell(row, 2) for row in range(3, 3 + len(NASTY))]
    assert [(c.value, c.data_type, c.hyperlink) for c in cells] == [(text, "s", None) for text in NASTY]
    assert [sheet.cell(row, 1).data_type for row in range(3, 3 + len(NASTY))] == ["n"] * len(NASTY)
    with zipfile.ZipFile(BytesIO(octets)) as archive:
        xml = "".join(archive.read(n).decode("utf-8") for n in archive.namelist())
    assert "<f>" not in xml and "2021-07-30T01:00:00Z" in xml
    assert sheet.oddHeader.left.text == "甲&&乙"


def test_the_same_lists_give_the_same_workbook() -> None:
    made = [workbook([LISTING], title="T", mark="", created=CREATED) for _ in range(2)]
    assert made[0] == made[1]
    assert workbook([replace(LISTING, rows=())], title="T", mark="", created=CREATED) != made[0]


def test_a_text_in_the_csv_file_is_no_formula() -> None:
    (name, text), *others = csv_files([LISTING], mark=MARK).items()
    assert (name, others) == ("applications.csv", [])
    assert text.startswith(f"\ufeff# {MARK} · ")
    lines = text.split("\r\n")
    assert lines[1:3] == ["序号,产品名称", "1,'=1+1"]
    guarded = [line.partition(",")[2].lstrip('"')[:1] == "'" for line in lines[2 : 2 + len(NASTY)]]
    assert guarded == [True, True, True, True, True, False, False, True, False, False]


def test_without_the_extra_the_lists_are_csv_and_nothing_is_lost(
    sqlite_url: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "xlsxwriter", None)
    with pytest.raises(ExtraMissing, match=r"pip install 'ganchu-workflow\[xlsx\]'"):
        workbook([LISTING], title="T", mark="", created=CREATED)
    with playing(sqlite_url) as found:
        papers = written(found, folder)
        names = [w.name for w in papers.files if w.name.endswith((".csv", ".xlsx"))]
        assert names == ["applications.csv", "recommenders.csv", "announced.csv"]
        assert "ganchu-workflow[xlsx]" in papers.remarks[0]
        assert papers.remarks[0] in (folder / "summary.md").read_text("utf-8")
        rows = (folder / "applications.csv").read_text("utf-8-sig").splitlines()
        assert tuple(rows[1].split(",")) == HEADINGS
        assert [row.split(",")[2] for row in rows[2:]] == [
            case.facts["enterprise"] for case in found.workflow.cases(found.round, "application")
        ]
        monkeypatch.undo()
        written(found, folder)
    assert [p.name for p in folder.iterdir() if p.suffix in (".csv", ".xlsx")] == ["applications.xlsx"]
