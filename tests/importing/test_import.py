"""How an import behaves: all or nothing, the good rows, a dry run, and the same file again."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from threading import Barrier
from typing import Any, ClassVar

import pytest

from ganchu_workflow import Actor, Registry, Role, SimulatedClock, Workflow
from ganchu_workflow.clock import MICROSECOND, to_text
from ganchu_workflow.errors import Invalid, PluginInvalid, Unknown
from ganchu_workflow.importing import ImportReport, Sheet, import_table
from ganchu_workflow.importing.importer import TableCrashed
from ganchu_workflow.process import (
    CARRY_ON,
    PASSED,
    Act,
    Column,
    Data,
    Look,
    PhaseWindow,
    Row,
    Stage,
    State,
    Table,
    Transition,
    code,
    text,
)
from ganchu_workflow.process.fingerprint import fingerprint
from ganchu_workflow.testing import RoundScript
from tests.cli.command import dump
from tests.importing.conftest import REGISTRY, WINDOW, Scene
from tests.importing.files import Rows, csv_bytes, declaration, ranked, replied, scored
from tests.rounds.script import BOTH, local, plan_of

NOW = local("2022-10-10T09:00")
CLERK = Actor(Role.OFFICE, person="u-17")
BAD_TRADEMARK = declaration("A-2", 商标注册人="他人")


def put_in(wf: Workflow, round_id: str, table: str, rows: Rows, **options: Any) -> ImportReport:
    return import_table(wf, round_id, table, Sheet.of(rows), **{"actor": CLERK} | options)


def numbers(wf: Workflow, round_id: str) -> list[str]:
    """The 申报编号 that begin with A, in the order of opening."""
    found = [c.facts["number"] for c in wf.cases(round_id, "application")]
    return [n for n in found if n.startswith("A")]


def codes(report: ImportReport) -> list[tuple[int, str, str]]:
    return [(p.line, p.column, p.code) for p in report.problems]


# ── all or nothing, the good ones, a dry run ──


def test_all_or_nothing_then_the_good_rows_then_the_corrected_file(scene: Scene) -> None:
    wf, round_id = scene.wf, scene.round
    rows = [declaration("A-1"), BAD_TRADEMARK, declaration("A-3"), declaration("A-4", 所在地="?")]
    bad = [(3, "商标注册人", "trademark_owner"), (5, "所在地", "place_unknown")]

    nothing = put_in(wf, round_id, "declarations", rows)
    assert (codes(nothing), nothing.rows, nothing.entered, nothing.committed) == (bad, 4, 2, False)
    before = dump(scene.url)
    (attempt,) = before.pop("ganchu_attempt")
    assert before | {"ganchu_attempt": []} == scene.before

    tried = put_in(wf, round_id, "declarations", rows, mode="good", dry_run=True)
    assert (codes(tried), tried.entered, tried.committed) == (bad, 2, False)
    assert tried.standing == {"self_declaration.submitted": 2}
    assert dump(scene.url) == before | {"ganchu_attempt": [attempt]}

    good = put_in(wf, round_id, "declarations", rows, mode="good")
    assert (codes(good), good.entered, good.already, good.bad, good.committed) == (bad, 2, 0, 2, True)
    assert numbers(wf, round_id) == ["A-1", "A-3"]
    # The row that was refused left nothing but its attempt: neither half of it is there.
    by_firm = ("trademark_owner", "applicant:E-A-2#u-17")
    assert [(a["code"], a["actor"]) for a in wf.attempts(round_id)] == [by_firm] * 2

    corrected = [declaration("A-1"), declaration("A-2"), declaration("A-3"), declaration("A-4")]
    rest = put_in(wf, round_id, "declarations", corrected)
    assert (rest.problems, rest.entered, rest.already, rest.committed) == ((), 2, 2, True)
    assert numbers(wf, round_id) == ["A-1", "A-3", "A-2", "A-4"]

    after = dump(scene.url)
    again = put_in(wf, round_id, "declarations", corrected)
    assert (again.problems, again.entered, again.already) == ((), 0, 4)
    assert dump(scene.url) == after
    assert wf.verify().problems == []


def test_what_an_all_or_nothing_import_was_refused_for_is_kept(scene: Scene) -> None:
    bad = [BAD_TRADEMARK, declaration("A-1"), declaration("A-3", 商标注册人="他人")]

    put_in(scene.wf, scene.round, "declarations", bad, dry_run=True)
    assert dump(scene.url) == scene.before
    report = put_in(scene.wf, scene.round, "declarations", bad)

    assert (len(report.refusals), report.committed) == (2, False)
    assert numbers(scene.wf, scene.round) == []
    assert [a["code"] for a in scene.wf.attempts(scene.round)] == ["trademark_owner"] * 2


def test_rules_that_count_are_met_within_the_file(database_url: str) -> None:
    wf = Workflow(database_url, clock=SimulatedClock(NOW), stages=REGISTRY)
    script = RoundScript(
        plan_of("CAP", self_declaration={"max_per_enterprise": 1}, local_recommendation={"default_quota": 1}),
        workflow=wf,
    )
    first = declaration("A-1")

    second = first | {"申报编号": "A-2", "产品名称": "另一产品"}
    report = put_in(wf, script.round, "declarations", [first, second, declaration("A-3")], mode="good")
    assert (codes(report), report.entered) == ([(3, "企业编号", "enterprise_cap_reached")], 2)

    put_in(wf, script.round, "acceptance", [{"申报编号": n, "受理意见": "受理"} for n in ("A-1", "A-3")])
    letter = put_in(wf, script.round, "letters", [ranked("A-3", "1"), ranked("A-1", "2")], dry_run=True)
    assert (letter.problems, letter.standing) == (
        (),
        {"local_recommendation.over_quota": 1, "qualification_check.checking": 1},
    )
    wf.database.dispose()


@pytest.mark.parametrize(("encoding", "newline"), [("gb18030", "\r\n"), ("utf-8", "\n"), ("utf-8-sig", "\r\n")])
def test_a_file_says_the_same_however_it_is_saved(
    still: Scene, wf: Workflow, tmp_path: Path, encoding: str, newline: str
) -> None:
    """Rare characters, full width, blanks around cells, a formula that is only text, line breaks in a private cell."""
    row = declaration(
        "Ａ－１",
        企业名称="㐂𠮷茶业（虚构） ",
        产品名称="=SUM(A1:A9)",
        所在地=" ３６０７００　",
        商标注册证=f" {'5E' * 32}",
        信用代码说明="一\r\n二",
    )
    path = tmp_path / "表.csv"
    path.write_bytes(b"# \r\n" + csv_bytes([row | {"备注": "=1+1"}], encoding, newline))

    report = import_table(wf, still.round, "declarations", path, actor=CLERK)

    assert (report.problems, report.entered) == ((), 1)
    (case,) = wf.find(still.round, "number", "A-1")
    assert (case.facts["enterprise"], case.facts["product"], case.facts["city"]) == (
        "㐂𠮷茶业（虚构）",
        "=SUM(A1:A9)",
        "360700",
    )
    assert [d["sha256"] for d in case.facts["documents"]] == ["5e" * 32]


# ── groups ──


def test_a_bad_row_holds_back_its_letter_and_no_other(still: Scene, wf: Workflow) -> None:
    rows = [ranked("R-1", "1"), ranked("R-2", "二"), ranked("G-1", "1", "赣州市", "赣市函1号")]

    report = put_in(wf, still.round, "letters", rows, mode="good")

    assert (codes(report), report.entered, report.held) == ([(3, "排序", "not_a_whole_number")], 1, 1)
    assert [c.facts["letter"] for c in wf.cases(still.round, "recommendation")][-1] == "赣市函1号"


def test_a_row_whose_group_cannot_be_told_holds_back_every_group_it_may_belong_to(still: Scene, wf: Workflow) -> None:
    rows = [ranked("R-1", "1"), ranked("R-2", "2", "南昌"), ranked("G-1", "1", "赣州市", "赣市函1号")]

    report = put_in(wf, still.round, "letters", rows, mode="good")

    assert (codes(report), report.entered, report.held) == ([(3, "推荐单位", "place_unknown")], 1, 1)


def test_a_row_that_is_lost_may_belong_to_any_letter(still: Scene, wf: Workflow, tmp_path: Path) -> None:
    path = tmp_path / "推荐.csv"
    letters = csv_bytes([ranked("R-1", "1"), ranked("G-1", "1", "赣州市", "赣市函1号")])
    for lost, why in (("南昌市,洪工信〔2022〕1号\r\n", "ragged"), ('"南昌"市,洪工信,2,R-2\r\n', "row_unreadable")):
        path.write_bytes(letters + lost.encode())

        report = import_table(wf, still.round, "letters", path, actor=CLERK, mode="good")

        assert (codes(report), report.entered, report.held) == ([(4, "", why)], 0, 2)


def test_a_letter_with_an_application_twice_is_not_issued(still: Scene, wf: Workflow) -> None:
    report = put_in(wf, still.round, "letters", [ranked("R-1", "1"), ranked("R-1", "2")], mode="good")

    assert (codes(report), report.entered, report.held) == ([(3, "申报编号", "duplicate_in_file")], 0, 1)


def test_a_letter_comes_again_and_is_left_alone(still: Scene, wf: Workflow) -> None:
    rows = [ranked("R-1", "1"), ranked("R-2", "2")]
    put_in(wf, still.round, "letters", rows)
    count = len(wf.cases(still.round, "recommendation"))

    again = put_in(wf, still.round, "letters", rows)

    assert (again.problems, again.entered, again.already) == ((), 0, 2)
    assert len(wf.cases(still.round, "recommendation")) == count


# ── the same file again ──


def test_a_row_that_changed_is_refused_as_a_second_one(still: Scene, wf: Workflow) -> None:
    put_in(wf, still.round, "declarations", [declaration("A-1")])

    report = put_in(wf, still.round, "declarations", [declaration("A-1", 产品名称="改名")])

    assert codes(report) == [(2, "申报编号", "number_taken")]


def test_a_private_cell_that_changed_is_noticed_and_not_shown(still: Scene, wf: Workflow) -> None:
    put_in(wf, still.round, "declarations", [declaration("A-1")])

    report = put_in(wf, still.round, "declarations", [declaration("A-1", 联系人="王五 138-1111-2222")])

    assert codes(report) == [(2, "申报编号", "changed_since_import")]
    assert "王五" not in repr(report)


def test_scores_are_not_entered_again_on_the_sheets_of_another_panel(scene: Scene) -> None:
    script, rows = scene.script, [scored("P-1")]
    put_in(scene.wf, scene.round, "scores", rows)
    (former,) = script.sheets("P-1", "scored")
    script.recuse_late(former)
    script.fire("P-1", "regroup", CLERK)
    script.panel("P-1")

    report = put_in(scene.wf, scene.round, "scores", rows)

    assert codes(report) == [(2, "席位号", "changed_since_import")]
    (present,) = script.sheets("P-1")
    assert (present.state, present.id == former.id) == ("assigned", False)
    on_purpose = put_in(scene.wf, scene.round, "scores", rows, key_prefix="second")
    assert (on_purpose.problems, on_purpose.entered) == ((), 1)
    assert [s.state for s in script.sheets("P-1")] == ["scored"]


def test_the_reply_to_another_letter_is_no_repetition(scene: Scene) -> None:
    first = [replied("C-1"), replied("C-1", "TAX")]
    put_in(scene.wf, scene.round, "replies", first[:1])

    grown = put_in(scene.wf, scene.round, "replies", first)
    assert (grown.problems, grown.entered, grown.already) == ((), 1, 1)

    scene.script.carry("W-1", to="department_consultation")
    scene.script.consult("W-1", departments=BOTH)
    second = put_in(scene.wf, scene.round, "replies", [replied("W-1"), replied("W-1", "TAX")])
    assert (second.problems, second.entered, second.already) == ((), 2, 0)


def test_another_clerk_may_bring_the_same_file(still: Scene, wf: Workflow) -> None:
    put_in(wf, still.round, "declarations", [declaration("A-1")])

    other = Actor(Role.OFFICE, person="u-18")
    same = put_in(wf, still.round, "declarations", [declaration("A-1")], actor=other)
    changed = put_in(wf, still.round, "declarations", [declaration("A-1", 联系人="王五")], actor=other)

    assert (same.problems, same.entered, same.already) == ((), 0, 1)
    assert codes(changed) == [(2, "申报编号", "changed_since_import")]


def test_two_who_bring_the_same_file_at_once_enter_it_once(scene: Scene) -> None:
    rows = [declaration(f"A-{n}") for n in range(1, 5)]
    together = Barrier(2)

    def bring(_: int) -> ImportReport:
        wf = Workflow(scene.url, clock=scene.wf.clock, stages=REGISTRY)
        together.wait(30)
        report = put_in(wf, scene.round, "declarations", rows)
        wf.database.dispose()
        return report

    with ThreadPoolExecutor(2) as pool:
        reports = list(pool.map(bring, range(2)))

    assert [r.problems for r in reports] == [(), ()]
    assert sorted((r.entered, r.already) for r in reports) == [(0, 4), (4, 0)]
    assert numbers(scene.wf, scene.round) == ["A-1", "A-2", "A-3", "A-4"]
    assert scene.wf.verify().problems == []


def test_no_key_is_made_of_private_cells(still: Scene, wf: Workflow) -> None:
    """Else whoever holds the record could try out what stood in them."""
    keys = []
    for contact in ("张三", "李四"):

        def work(inside: Workflow, contact: str = contact) -> str:
            put_in(inside, still.round, "declarations", [declaration("A-1", 联系人=contact)])
            (case,) = inside.find(still.round, "number", "A-1")
            return str(inside.history(case)[0]["key"])

        keys.append(wf.together(work, dry_run=True))

    assert keys[0] == keys[1]
    assert keys[0].startswith("import:")


# ── when ──


class Running(SimulatedClock):
    """A clock that moves on by a second whenever it is asked."""

    def now(self) -> datetime:
        self.advance(timedelta(seconds=1))
        return super().now()


def test_a_file_that_came_in_time_is_in_time_to_its_last_row(database_url: str) -> None:
    wf = Workflow(database_url, clock=SimulatedClock(local("2022-09-15T09:00")), stages=REGISTRY)
    script = RoundScript(plan_of("CLOSE", self_declaration={"window": WINDOW}), workflow=wf)
    rows = [declaration(f"A-{n}") for n in range(1, 4)]
    wf.database.dispose()

    running = Running(local("2022-10-01T17:29:59"))  # so that the first to ask is told 17:30:00, the closing instant
    busy = Workflow(database_url, clock=running, stages=REGISTRY)
    report = put_in(busy, script.round, "declarations", rows)
    assert (report.problems, report.entered) == ((), 3)
    closing = {e["received_at"] for c in busy.cases(script.round, "application") for e in busy.history(c)}
    assert closing == {to_text(local("2022-10-01T17:30:00"))}
    assert running.now() > local("2022-10-01T17:30:05")

    after = SimulatedClock(local("2022-10-01T17:30:00") + MICROSECOND)
    late = Workflow(database_url, clock=after, stages=REGISTRY)
    report = put_in(late, script.round, "declarations", [declaration("A-4")])
    assert codes(report) == [(2, "申报编号", "window_closed")]
    busy.database.dispose()
    late.database.dispose()


# ── who may enter ──


def test_a_local_authority_enters_its_own_rows_and_no_others(still: Scene, wf: Workflow) -> None:
    nanchang = Actor(Role.LOCAL_AUTHORITY, "360100", "nc-1")
    rows = [ranked("R-1", "1"), ranked("G-1", "1", "赣州市", "赣市函1号")]

    report = put_in(wf, still.round, "letters", rows, actor=nanchang, mode="good")

    assert (codes(report), report.entered) == ([(3, "申报编号", "not_yours_to_enter")], 1)
    letter = wf.cases(still.round, "recommendation")[-1]
    assert [e["actor"]["person"] for e in wf.history(letter)] == ["nc-1", "nc-1"]
    assert [e["actor"]["on_behalf_of"] for e in wf.history(letter)] == ["", ""]


# ── which table ──


def test_a_table_goes_by_its_name_its_label_or_with_its_stage(still: Scene, wf: Workflow) -> None:
    for name in ("acceptance", "self_declaration.acceptance", "受理登记表"):
        report = put_in(wf, still.round, name, [{"申报编号": "S-1", "受理意见": "受理"}], dry_run=True)
        assert (report.table, report.label, report.entered) == ("acceptance", "受理登记表", 1)

    with pytest.raises(Unknown, match="did you mean 'scores'"):
        put_in(wf, still.round, "score", [{"申报编号": "S-1"}])


def test_a_table_of_a_stage_that_is_used_twice_needs_its_stage(database_url: str) -> None:
    wf = Workflow(database_url, clock=SimulatedClock(NOW), stages=REGISTRY)
    script = RoundScript(plan_of("TWICE", notice_twice=True), workflow=wf)

    with pytest.raises(Unknown, match=r"local_notice\.objections, public_notice\.objections"):
        put_in(wf, script.round, "objections", [{"申报编号": "S-1"}])
    report = put_in(wf, script.round, "local_notice.objections", [{"申报编号": "S-1"}])
    assert [p.code for p in report.problems] == ["heading_missing"] * 3
    wf.database.dispose()


def test_what_cannot_be_asked_for_is_refused_at_once(still: Scene, wf: Workflow, tmp_path: Path) -> None:
    for options in ({"mode": "some"}, {"key_prefix": ""}, {"key_prefix": "x" * 41}):
        with pytest.raises(Invalid):
            put_in(wf, still.round, "acceptance", [{"申报编号": "S-1"}], **options)
    with pytest.raises(Invalid, match="cannot be read"):
        import_table(wf, still.round, "acceptance", tmp_path / "none.csv", actor=CLERK)
    with pytest.raises(Unknown):
        import_table(wf, "no-such-round", "acceptance", tmp_path / "none.csv", actor=CLERK)


# ── in a host's transaction, and a stage from elsewhere ──


def test_an_import_stands_and_falls_with_the_hosts_transaction(still: Scene, tmp_path: Path) -> None:
    path = tmp_path / "申报.csv"
    path.write_bytes(csv_bytes([declaration("A-1")]))

    with still.wf.database.connect() as connection, connection.begin() as transaction:
        inside = still.wf.using(connection)
        assert import_table(inside, still.round, "declarations", path, actor=CLERK).committed
        assert numbers(inside, still.round) == ["A-1"]
        transaction.rollback()

    assert dump(still.url) == still.before


class Sighting(Data):
    """What was seen on the spot."""

    seen: str


def _sighted(row: Row, look: Look) -> Iterator[Act]:
    application = look.application(row, "number")
    if row["seen"] == "crash":
        raise RuntimeError(f"with {row['seen']}")
    yield Act.fire(SiteVisit.pass_, {"seen": row["seen"]}, on=application, by=Role.OFFICE)


class SiteVisit(Stage):
    """A stage of another distribution."""

    name = "site_visit"
    label = "现场查看"

    waiting = State("待查看", owner=Role.OFFICE, initial=True)
    unfit = State("不符", final=True)
    pass_ = Transition(waiting, PASSED, by=Role.OFFICE, data=Sighting)
    fail = Transition(waiting, unfit, by=Role.OFFICE)
    phase = PhaseWindow(at_close={waiting: CARRY_ON})

    tables: ClassVar[tuple[Table, ...]] = (
        Table(
            "sightings",
            "现场查看登记表",
            (Column("申报编号", "number", code(), required=True), Column("情况", "seen", text(), required=True)),
            _sighted,
            identity=("number",),
        ),
    )


class BareVisit(SiteVisit):
    """The same without tables."""

    kind = "site_visit"
    tables = ()


class ListOfTables(SiteVisit):
    """One that does not keep the contract."""

    kind = "site_visit"
    tables = list(SiteVisit.tables)  # type: ignore[assignment]


def test_tables_that_are_no_tuple_of_tables_are_a_broken_contract() -> None:
    with pytest.raises(PluginInvalid, match="tables= must be a tuple of Table"):
        _with(ListOfTables)


def _with(stage: type[Stage]) -> Registry:
    registry = Registry(plugins=dict(REGISTRY.plugins))
    registry.register("site_visit", stage)
    return registry


def test_a_stage_from_elsewhere_brings_its_table_and_the_fingerprint_does_not_know(database_url: str) -> None:
    clock = SimulatedClock(NOW)
    plan = plan_of("VISIT")
    plan["stage"].insert(1, {"use": "site_visit"})
    wf = Workflow(database_url, clock=clock, stages=_with(SiteVisit))
    script = RoundScript(plan, workflow=wf)
    rows = [declaration("A-1"), declaration("A-2")]
    put_in(wf, script.round, "declarations", rows)
    put_in(wf, script.round, "acceptance", [{"申报编号": n, "受理意见": "受理"} for n in ("A-1", "A-2")])
    before = dump(database_url)

    sighting = [{"申报编号": "A-1", "情况": "属实"}, {"申报编号": "A-2", "情况": "crash"}]
    with pytest.raises(TableCrashed, match=r"'site_visit.sightings' crashed at line 3: RuntimeError"):
        put_in(wf, script.round, "sightings", sighting, mode="good")
    assert dump(database_url) == before

    report = put_in(wf, script.round, "sightings", sighting[:1])
    assert report.standing == {"local_recommendation.pending": 1}

    # A redeploy that drops the table runs the same round.
    bare = Workflow(database_url, clock=clock, stages=_with(BareVisit))
    assert fingerprint(bare.process(script.round)) == fingerprint(wf.process(script.round))
    with pytest.raises(Unknown, match="sightings"):
        put_in(bare, script.round, "sightings", sighting)
    bare.database.dispose()
    wf.database.dispose()
