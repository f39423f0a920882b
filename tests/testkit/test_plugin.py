"""The pytest plugin, in a pytest of its own, in an empty folder: what a host's tests see of it."""

import os
import re
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest
from sqlalchemy import create_engine, make_url

from ganchu_workflow.errors import DatabaseFault
from ganchu_workflow.testing.databases import databases

# Not pytester: it forgets the modules that were imported during a test, and then there are two of each.


def run(folder: Path, code: str, *options: str) -> tuple[dict[str, int], str]:
    """What pytest counts, and says, of a file with these tests."""
    (folder / "test_it.py").write_text(dedent(code), "utf-8")
    environment = {key: value for key, value in os.environ.items() if key != "PYTEST_ADDOPTS"}
    command = [sys.executable, "-m", "pytest", "-q", "--color=no", "-p", "no:cacheprovider", *options]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    counts = re.findall(r"(\d+) (passed|failed|error)s?\b", done.stdout.rpartition("\n")[0].rpartition("\n")[2])
    return {what: int(count) for count, what in counts}, done.stdout + done.stderr


def passes(folder: Path, code: str, count: int, *options: str) -> None:
    """That many tests in this file pass, with every warning an error."""
    found, said = run(folder, code, "-W", "error", *options)
    assert found == {"passed": count}, said


# ── what it costs those who do not use it ──


def test_a_run_that_never_asks_imports_nothing_of_the_library_but_the_plugin(tmp_path: Path) -> None:
    code = """
        import sys

        HEAVY = {"sqlalchemy", "sqlmodel", "pydantic", "transitions", "alembic", "apscheduler", "jinja2", "freezegun"}

        def test_modules():
            ours = {name for name in sys.modules if name.partition(".")[0].startswith("ganchu")}
            assert ours == {"ganchu_workflow", "ganchu_workflow.testing", "ganchu_workflow.testing.plugin"}
            assert HEAVY & set(sys.modules) == set()

        def test_one_that_asks(ganchu):
            assert {"sqlalchemy", "sqlmodel", "pydantic"} <= set(sys.modules)
    """
    passes(tmp_path, code, 2)


def test_its_fixtures_are_listed_with_what_they_are(tmp_path: Path) -> None:
    _, listed = run(tmp_path, "", "--fixtures")

    found = re.findall(r"^(ganchu\w*)(?: \[session scope\])? -- .*\n    (\S.*)$", listed, re.MULTILINE)
    assert [name for name, _ in found] == [
        "ganchu_databases",
        "ganchu_database",
        "ganchu_clock",
        "ganchu_registry",
        "ganchu",
        "ganchu_round",
    ]
    assert dict(found)["ganchu_database"] == "The URL of a migrated, empty database of this test's own."


def test_it_can_be_left_out(tmp_path: Path) -> None:
    counts, said = run(tmp_path, "def test_it(ganchu): pass", "-p", "no:ganchu")

    assert counts == {"error": 1}
    assert "fixture 'ganchu' not found" in said


# ── the fixtures ──


def test_each_test_has_a_database_and_a_clock_of_its_own(tmp_path: Path) -> None:
    code = """
        import pytest

        seen = []

        @pytest.mark.parametrize("turn", [1, 2])
        def test_alone(ganchu, ganchu_round, ganchu_database, ganchu_clock, turn):
            assert ganchu.rounds() == []
            assert ganchu_clock.now().isoformat() == "2004-01-01T00:00:00+00:00"
            script = ganchu_round()
            assert (script.wf, script.wf.clock) == (ganchu, ganchu_clock)
            assert ganchu_database.startswith("sqlite:///") and ganchu_database not in seen
            seen.append(ganchu_database)
            assert len(ganchu.rounds()) == 1
    """
    passes(tmp_path, code, 2)


def test_the_full_round_of_the_readme_runs_in_an_empty_folder(tmp_path: Path) -> None:
    code = """
        def test_one_product_from_declaration_to_announcement(ganchu_round):
            script = ganchu_round()
            script.declare("水表")
            script.accept("水表")
            script.recommend("水表")
            script.qualify("水表")
            script.panel("水表")
            script.score("水表", 92)
            script.rank("水表")
            script.consult("水表")
            script.reply("水表")
            notice = script.notice("水表")
            script.past(notice, "closes_at")
            script.announce("水表")
            assert script.state("水表") == "announcement.announced"
    """
    passes(tmp_path, code, 1)


def test_time_that_a_decorator_freezes_is_moved_by_the_script(tmp_path: Path) -> None:
    code = """
        from datetime import UTC, datetime
        from freezegun import freeze_time
        from pydantic import create_model
        from ganchu_workflow import SystemClock
        from ganchu_workflow.testing import usual_plan

        DECLARING = {"window": {"opens": datetime(2021, 8, 2, 9), "closes": datetime(2021, 9, 3, 17, 30)}}

        @freeze_time("2021-08-02 01:00")
        def test_frozen(ganchu_round):
            script = ganchu_round(usual_plan(self_declaration=DECLARING))
            assert type(script.wf.clock) is SystemClock
            script.draft("水表")
            script.at("2021-09-03T17:30:00.000001")
            assert script.state("水表") == "self_declaration.lapsed"
            assert datetime.now(UTC) == script.now == datetime(2021, 9, 3, 9, 30, 0, 1, tzinfo=UTC)

        def test_models_can_still_be_built():
            assert create_model("Later", when=(datetime, ...))(when="2021-09-03T17:30:00").when.hour == 17
    """
    passes(tmp_path, code, 2)


def test_time_that_an_earlier_fixture_freezes_is_the_clock_of_all(tmp_path: Path) -> None:
    code = """
        import pytest
        from freezegun import freeze_time

        @pytest.fixture
        def held():
            with freeze_time("2022-09-01 01:00") as frozen:
                yield frozen

        def test_frozen(held, ganchu, ganchu_round):
            script = ganchu_round()
            assert script.wf is ganchu
            script.carry("水表")
            assert script.shown(script.now) == "2022-09-08 17:30:00.000001"
    """
    passes(tmp_path, code, 1)


def test_a_clock_of_the_hosts_own_takes_the_place_of_ours(tmp_path: Path) -> None:
    code = """
        import pytest
        from datetime import datetime, UTC
        from ganchu_workflow import SimulatedClock

        @pytest.fixture
        def ganchu_clock():
            return SimulatedClock(datetime(2022, 10, 10, 1, tzinfo=UTC))

        def test_it(ganchu_round):
            script = ganchu_round(start="2022-10-10T09:30")
            assert script.shown(script.now) == "2022-10-10 09:30"
    """
    passes(tmp_path, code, 1)


def test_a_seeded_round_repeats(tmp_path: Path) -> None:
    code = """
        import pytest
        from ganchu_workflow import SeededEntropy

        seen = []

        @pytest.mark.parametrize("turn", [1, 2])
        def test_it(ganchu_round, turn):
            script = ganchu_round(entropy=SeededEntropy("same"))
            script.carry("水表", to="public_notice")
            seen.append(script.history("水表"))
            assert len(seen[0]) > 5 and seen[-1] == seen[0]
    """
    passes(tmp_path, code, 2)


# ── another server ──


@pytest.mark.parametrize("by", ["option", "ini"])
def test_on_a_server_each_test_has_a_database_that_is_dropped(tmp_path: Path, postgres_server: str, by: str) -> None:
    code = """
        from pathlib import Path

        def test_it(ganchu_database, ganchu_round):
            with Path("seen.txt").open("a") as file:
                print(ganchu_database, file=file)
            ganchu_round().carry("水表", to="local_recommendation")

        def test_other(ganchu_database, ganchu):
            with Path("seen.txt").open("a") as file:
                print(ganchu_database, file=file)
            assert ganchu.rounds() == []
    """
    if by == "ini":
        (tmp_path / "pytest.ini").write_text(f"[pytest]\nganchu_db = {postgres_server}\n", "utf-8")
    passes(tmp_path, code, 2, *([f"--ganchu-db={postgres_server}"] if by == "option" else []))

    urls = (tmp_path / "seen.txt").read_text("utf-8").split()
    names = {make_url(url).database for url in urls}
    admin = create_engine(postgres_server)
    with admin.connect() as connection:
        left = {row[0] for row in connection.exec_driver_sql("SELECT datname FROM pg_database")}
    admin.dispose()
    assert {make_url(url).get_backend_name() for url in urls} == {"postgresql"}
    assert (len(names), names & left) == (2, set())


@pytest.mark.parametrize(
    ("url", "told"),
    [
        (
            "sqlite:///round.db",
            "tests run on SQLite files, with no --ganchu-db, or on a server: postgresql://user@host/postgres",
        ),
        ("postgresql://nobody@127.0.0.1:1/none", "cannot be used: check that it is there"),
        ("nothing at all", "this is not a database URL"),
    ],
)
def test_a_server_that_cannot_be_used_is_refused_with_what_to_do(tmp_path: Path, url: str, told: str) -> None:
    with pytest.raises(DatabaseFault) as refused, databases(url, tmp_path):
        pass

    assert told in refused.value.message


def test_a_server_that_cannot_be_used_fails_the_tests_that_ask_and_no_other(tmp_path: Path) -> None:
    code = """
        def test_asks(ganchu): pass
        def test_does_not(): pass
    """
    counts, said = run(tmp_path, code, "--ganchu-db=sqlite:///round.db")

    assert counts == {"passed": 1, "error": 1}
    assert "ganchu_workflow.errors.DatabaseFault: tests run on SQLite files, with no --ganchu-db, or on" in said


# ── what fails ──


def test_a_refused_act_fails_with_the_state_and_what_is_allowed_and_without_the_librarys_inside(
    tmp_path: Path,
) -> None:
    code = """
        def test_it(ganchu_round):
            script = ganchu_round()
            script.declare("水表")
            script.qualify("水表")
    """
    counts, out = run(tmp_path, code)

    assert counts == {"failed": 1}
    assert re.findall(r"^(?:>|E) .*$", out, re.MULTILINE) == [
        '>       script.qualify("水表")',
        "E       ganchu_workflow.errors.Refused: not_here [qualify @ self_declaration.submitted]: "
        "当前状态“已提交”下不能办理 / cannot be done while it stands in self_declaration.submitted",
        "E       at 2022-09-01 09:00 qualify was to be fired by office",
        "E       水表 stands in self_declaration.submitted (已提交), waits for 牵头处室 (office)",
        "E         2022-09-01 09:00  self_declaration.declare → self_declaration.draft",
        "E         2022-09-01 09:00  self_declaration.submit → self_declaration.submitted",
        "E         applicant:firm-水表 may self_declaration.withdraw(reason)",
        "E         office may self_declaration.return_for_correction(items)",
        "E         office may self_declaration.accept()",
        "E         office may self_declaration.refuse(reason_code, text)",
    ]


def test_a_test_that_fails_lists_where_its_rounds_stand(tmp_path: Path) -> None:
    code = """
        def test_it(ganchu_round):
            script = ganchu_round()
            script.draft("水表")
            script.carry("茶油", to="public_notice")
            assert script.state("水表") == "self_declaration.submitted"

        def test_good(ganchu_round):
            ganchu_round().draft("米粉")
    """
    counts, out = run(tmp_path, code)

    assert counts == {"failed": 1, "passed": 1}
    assert out.count("- a round of ganchu-workflow -") == 1
    assert (
        "评选 TEST(虚构) (TEST) is running at 2022-09-01 09:00\n"
        "  水表: self_declaration.draft (草稿)\n"
        "  茶油: public_notice.listed (拟公示)\n"
    ) in out
    assert "米粉" not in out


def test_a_report_outlives_a_database_that_is_gone(tmp_path: Path) -> None:
    code = """
        def test_it(ganchu_round):
            script = ganchu_round()
            with script.wf.database.begin() as connection:
                connection.exec_driver_sql("ALTER TABLE ganchu_case RENAME TO gone")
            assert False
    """
    counts, out = run(tmp_path, code)

    assert "it cannot be asked any more: " in out
    assert counts == {"failed": 1}


def test_what_is_not_as_scripted_is_told_at_the_line_of_the_test(tmp_path: Path) -> None:
    code = """
        import pytest

        @pytest.fixture
        def script(ganchu_round):
            script = ganchu_round()
            script.draft("水表")
            return script

        def test_refused_otherwise(script):
            with script.refused("window_closed"):
                script.accept("水表")

        def test_not_refused(script):
            with script.refused("not_here"):
                script.submit("水表")

        def test_no_such_goal(script):
            script.carry("水表", to="local_notice")

        def test_no_such_name(script):
            script.accept("水标")

        def test_nothing_due(script):
            script.past_next_due()
    """
    counts, out = run(tmp_path, code)

    assert counts == {"failed": 5}
    assert [line[4:].strip() for line in re.findall(r"^(?:>|E) .*$", out, re.MULTILINE)] == [
        'with script.refused("window_closed"):',
        "ganchu_workflow.testing.base.NotAsScripted: this was to be refused as 'window_closed', and was as not_here "
        "[accept @ self_declaration.draft]: 当前状态“草稿”下不能办理 / cannot be done while it stands in "
        "self_declaration.draft",
        'with script.refused("not_here"):',
        "ganchu_workflow.testing.base.NotAsScripted: this was to be refused as 'not_here', and was not refused",
        'script.carry("水表", to="local_notice")',
        "ganchu_workflow.errors.Unknown: there is no stage or state 'local_notice'; did you mean 'public_notice'? "
        "there are: " + out.split("did you mean 'public_notice'? there are: ")[1].partition("\n")[0],
        'script.accept("水标")',
        "ganchu_workflow.errors.Unknown: no application goes by '水标'; there are: 水表",
        "script.past_next_due()",
        "ganchu_workflow.testing.base.NotAsScripted: no deadline is running: nothing falls due by itself",
    ]
