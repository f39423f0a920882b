"""What the commands do and print, on each kind of database."""

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from sqlalchemy import text

from ganchu_workflow.cli.main import app
from ganchu_workflow.store.mariadb import DIALECTS
from ganchu_workflow.store.tables import METADATA
from ganchu_workflow.store.triggers import create_statements
from tests.cli.command import ROOT, Done, dump, ganchu, meddling, workflow
from tests.cli.conftest import DECLARATION, OFFICE, Scene, as_json

ID = re.compile(r"[0-9a-v]{26}")
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


def read(done: Done) -> Any:
    assert (done.code, done.err) == (0, ""), done
    return json.loads(done.out)


def test_it_says_its_name_and_version(tmp_path: Path) -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert ganchu("--version", cwd=tmp_path) == Done(0, f"{declared['name']} {declared['version']}\n", "")


def test_the_whole_way_of_a_small_round(empty_database_url: str, plan: Path) -> None:
    folder, env = plan.parent, {"GANCHU_DB": empty_database_url}

    def run(*args: str) -> Done:
        return ganchu(*args, cwd=folder, env=env)

    ready = Done(0, "数据库已就绪 / the database is up to date\n", "")
    assert run("db", "upgrade") == ready
    assert set(dump(empty_database_url)) == set(METADATA.tables)
    assert run("db", "upgrade") == ready
    assert run("round", "list") == Done(0, "", "")

    opened = run("round", "new", "plan.toml", "--key", "open-1")
    assert (opened.code, opened.err) == (0, "")
    round_id = opened.out.strip()
    assert ID.fullmatch(round_id)
    assert run("round", "new", "plan.toml", "--key", "open-1") == opened
    assert run("round", "list") == Done(0, f"{round_id}  T-1  虚构批次  planning\n", "")

    assert run("fire", round_id, "start", "--as", "office", "--person", "p-7") == Done(
        0, f"{round_id}  planning → running\n", ""
    )
    (folder / "declaration.json").write_text(as_json(), "utf-8")
    declare = ("open", "application", "--as", "applicant:E1", "--data", "@declaration.json", "--key", "d-1")
    declared = run(*declare, "--document", "演函〔2026〕1号")
    assert (declared.code, declared.err) == (0, "")
    draft, state = declared.out.split()
    assert (bool(ID.fullmatch(draft)), state) == (True, "self_declaration.draft")
    phases = [c["case"] for c in read(run("round", "list", round_id, "--kind", "phase", "--json"))]
    assert run("round", "list", round_id, "--kind", "round").out == f"{round_id}  T-1  -  running  进行中\n"
    assert run("round", "list", round_id, "--kind", "phase").out.splitlines() == [
        f"{phases[0]}  self_declaration  -  open  进行中",
        f"{phases[1]}  announcement  -  open  进行中",
    ]
    assert run("round", "list", round_id).out == (
        f"{draft}  -  示例企业(虚构)  示例产品  E1 DEMO-A  self_declaration.draft  草稿\n"
    )
    assert run("round", "list", round_id, "--kind", "recognition") == Done(0, "", "")
    assert run("tasks", "--as", "applicant:E1") == Done(0, f"{draft}  application  self_declaration  草稿  -\n", "")
    assert run("tasks", "--as", "applicant:E2") == Done(0, "", "")
    assert run("tasks", "--as", "office").out.splitlines()[0] == (
        f"{phases[0]}  phase  self_declaration  进行中  2099-12-31 17:30:00+08:00"
    )
    assert run("tick") == Done(0, "已触发 0 项 / fired 0\n", "")
    with workflow(empty_database_url) as wf:
        first, second = wf.history(round_id)
        event = wf.history(draft)[0]
    assert (first["actor"]["via"], second["actor"]["person"]) == ("cli", "p-7")
    assert (event["document"], event["key"]) == ("演函〔2026〕1号", "d-1")
    assert run("audit", "verify") == Done(
        0, "案件 4 件,事件 7 条 / 4 cases, 7 events\n记录完整 / the record is whole\n", ""
    )


def test_what_may_be_done(scene: Scene) -> None:
    asked = ganchu("allowed", scene.draft, "--as", "applicant:E1", "--db", scene.url, cwd=scene.folder)
    assert (asked.code, asked.err) == (0, "")
    assert "✓ self_declaration.submit  truthful*\n" in asked.out
    other = ganchu("allowed", scene.draft, "--as", "applicant:E2", "--db", scene.url, cwd=scene.folder)
    assert (
        "✗ self_declaration.submit  not_allowed [self_declaration.submit @ self_declaration.draft]: "
        "本案不在您的职责范围内 / this case is outside your scope\n"
    ) in other.out
    rows = read(ganchu("allowed", scene.draft, "--as", "applicant:E2", "--db", scene.url, "--json", cwd=scene.folder))
    assert {"trigger": "self_declaration.submit", "may": False, "code": "not_allowed"}.items() <= next(
        r for r in rows if r["trigger"] == "self_declaration.submit"
    ).items()
    assert [f"{'✓' if r['may'] else '✗'} {r['trigger']}" for r in rows] == [
        re.sub(r"  .*", "", line) for line in other.out.splitlines()
    ]


def test_the_history_of_a_case(scene: Scene) -> None:
    with workflow(scene.url) as wf:
        events = wf.history(scene.round)
    lines = ganchu("history", scene.round, "--db", scene.url, cwd=scene.folder).out.splitlines()
    clock = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{6})?\+08:00"
    assert [bool(re.fullmatch(pattern, line)) for pattern, line in zip(
        [rf"  1  {clock}  open_round  ∅ → planning  office", rf"  2  {clock}  start  planning → running  office"],
        lines, strict=True,
    )] == [True, True]  # fmt: skip
    assert read(ganchu("history", scene.round, "--db", scene.url, "--json", cwd=scene.folder)) == events


def test_a_tick_fires_what_is_due(database_url: str, plan: Path) -> None:
    plan.write_text(plan.read_text("utf-8").replace("2099", "2021"), "utf-8")
    with workflow(database_url) as wf:
        opened = wf.open_round(plan, actor=OFFICE).case_id
    done = ganchu("tick", "--db", database_url, cwd=plan.parent)
    first, opens, closes = done.out.splitlines()
    assert (done.code, first, done.err) == (0, "已触发 2 项 / fired 2", "")
    with workflow(database_url) as wf:
        window = wf.cases(opened, "phase")[0].id
    due = [
        "等待期 (opens)  应于 / due 2020-01-01 09:00:00+08:00  → open",
        "环节期限 (closes)  应于 / due 2021-12-31 17:30:00+08:00  → closed",
    ]
    assert [opens, closes] == [f"    self_declaration {window}  {each}" for each in due]
    before = dump(database_url)
    assert read(ganchu("tick", "--db", database_url, "--json", cwd=plan.parent)) == {
        "fired": [],
        "refused": [],
        "stuck": [],
        "behind": [],
    }
    assert dump(database_url) == before
    with workflow(database_url) as wf:
        phase = wf.cases(opened, "phase")[0]
        assert [(e["trigger"], e["effective_at"]) for e in wf.history(phase)[1:]] == [
            ("begin", "2020-01-01T01:00:00.000000Z"),
            ("close", "2021-12-31T09:30:00.000000Z"),
        ]


def test_the_answers_of_acts_as_json(scene: Scene) -> None:
    done = ganchu(
        "open", "application", "--as", "applicant:E2", "--data", as_json(product="乙"), "--db", scene.url, "--json",
        cwd=scene.folder,
    )  # fmt: skip
    receipt = read(done)
    with workflow(scene.url) as wf:
        (event,) = wf.history(receipt["case"])
    assert receipt == {
        "case": event["case"], "kind": "application", "seq": 1, "trigger": "self_declaration.declare", "source": None,
        "state": "self_declaration.draft", "effective_at": event["effective_at"],
        "recorded_at": event["recorded_at"], "digest": event["digest"], "deadlines": [], "then": [],
    }  # fmt: skip
    assert INSTANT.fullmatch(receipt["recorded_at"])
    data = json.dumps(DECLARATION | {"product": "丙"})
    fired = ganchu(
        "fire", receipt["case"], "save", "--as", "applicant:E2", "--data", data, "--db", scene.url, "--json",
        cwd=scene.folder,
    )  # fmt: skip
    assert (read(fired)["seq"], read(fired)["source"]) == (2, "self_declaration.draft")


def test_lists_as_json(scene: Scene) -> None:
    def ask(*args: str) -> Any:
        return read(ganchu(*args, "--db", scene.url, "--json", cwd=scene.folder))

    assert ask("round", "list") == [{"round": scene.round, "code": "T-1", "title": "虚构批次", "state": "running"}]
    assert ask("round", "list", scene.round, "--kind", "application") == [
        {
            "case": scene.draft,
            "number": "",
            "enterprise": "示例企业(虚构)",
            "product": "示例产品",
            "parties": {"applicant": "E1", "local_authority": "DEMO-A"},
            "state": "self_declaration.draft",
            "label": "草稿",
        }
    ]
    assert ask("tasks", "--as", "applicant:E1") == [
        {
            "case": scene.draft,
            "kind": "application",
            "stage": "self_declaration",
            "state": "self_declaration.draft",
            "label": "草稿",
            "due_at": None,
        }
    ]
    assert ask("tasks", "--as", "office")[0]["due_at"] == "2099-12-31T09:30:00.000000Z"
    assert ask("audit", "verify") == {"ok": True, "cases": 4, "events": 7, "problems": []}


def test_a_plan_is_checked_and_its_defaults_are_marked(plan: Path) -> None:
    text = plan.read_text("utf-8").replace('"self_declaration"', '"self_declaration"\nas = "declare"\ncorrections = 2')
    plan.write_text(text, "utf-8")
    checked = ganchu("process", "check", "plan.toml", cwd=plan.parent)
    assert (checked.code, checked.err) == (0, "")
    head, *lines = checked.out.splitlines()
    assert re.fullmatch(r"虚构批次  \[T-1\]  [0-9a-f]{64}", head)
    default = "  (默认值,非“赣出精品”规定 / default, not a rule)"
    assert lines[:7] == [
        "- declare (self_declaration)",
        "    opens 2020-01-01 09:00:00+08:00",
        f"    closes 2099-12-31 17:30:00+08:00{NOT_LOADED}",
        f'    correction = "5 working days"{default}',
        "    corrections = 2",
        '    cities = {"DEMO-A": "东市(虚构)"}',
        f"    max_per_enterprise = null{default}",
    ]
    document = read(ganchu("process", "check", "plan.toml", "--json", cwd=plan.parent))
    assert document["fingerprint"] == head.split()[-1]
    marked = [re.split(r"\W+", line)[1] for line in lines if line.endswith(default)]
    assert marked == [name for stage in document["stage"] for name in stage["defaults"]]


def test_the_plugins_that_are_installed(tmp_path: Path) -> None:
    rows = read(ganchu("plugins", "list", "--json", cwd=tmp_path))
    stages = [
        "announcement", "deliberation", "department_consultation", "expert_review", "local_recommendation",
        "public_notice", "qualification_check", "self_declaration",
    ]  # fmt: skip
    own = [r for r in rows if str(r["distribution"]).startswith("ganchu-workflow ")]
    assert [r["name"] for r in own if r["group"] == "ganchu_workflow.stages"] == stages
    assert [r["name"] for r in own if r["group"] == "ganchu_workflow.channels"] == ["eml", "inbox", "journal", "smtp"]
    listed = ganchu("plugins", "list", cwd=tmp_path)
    lines = [f"  {r['name']}  {r['distribution']}  {r['place']}" for r in own]
    assert [line for line in listed.out.splitlines() if line in lines] == lines


def test_a_plugin_that_cannot_be_loaded_is_listed_with_its_reason(tmp_path: Path) -> None:
    info = tmp_path / "broken_stages-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-stages\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[ganchu_workflow.stages]\nbroken = nowhere_at_all:Stage\n")
    listed = ganchu("plugins", "list", cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)})
    assert (listed.code, listed.err) == (4, "")
    assert (
        "  ✗ broken  broken-stages 1.0  nowhere_at_all:Stage\n"
        "      the plugin 'broken' of broken-stages 1.0 (nowhere_at_all:Stage) cannot be loaded: "
        "ModuleNotFoundError: No module named 'nowhere_at_all'\n"
    ) in listed.out


# ── verification ──


def test_a_row_changed_behind_the_librarys_back_is_named(scene: Scene) -> None:
    with meddling(scene.url) as connection:
        connection.exec_driver_sql(
            f"UPDATE ganchu_case SET state = 'announcement.announced' WHERE id = '{scene.draft}'"
        )
    name = f"ganchu_case {scene.draft}"
    done = ganchu("audit", "verify", "--db", scene.url, cwd=scene.folder)
    assert (done.code, done.out) == (4, "案件 4 件,事件 7 条 / 4 cases, 7 events\n发现问题 1 处 / 1 problems\n")
    start, _, what = done.err.removesuffix("\n").partition(": ")
    assert start == f"✗ case_differs {name}"
    assert re.findall(r"state|'[a-z_.]+'", what)[:3] == [
        "state",
        "'announcement.announced'",
        "'self_declaration.draft'",
    ]
    done = ganchu("audit", "verify", "--db", scene.url, "--json", cwd=scene.folder)
    assert (done.code, done.err) == (4, "")
    problems = [{"code": "case_differs", "row": name, "what": what}]
    assert json.loads(done.out) == {"ok": False, "cases": 4, "events": 7, "problems": problems}


def test_an_event_rewritten_by_who_took_the_triggers_away_is_named(scene: Scene) -> None:
    rewrite = (
        'UPDATE ganchu_history SET body = replace(body, \'"person":""\', \'"person":"x"\')'
        f" WHERE case_id = '{scene.round}' AND seq = 2"
    )
    with meddling(scene.url) as connection:
        if connection.dialect.name == "sqlite":
            query = "SELECT sql FROM sqlite_master WHERE name = 'ganchu_history_upd'"
            trigger = str(connection.exec_driver_sql(query).scalar_one())
            for statement in ("DROP TRIGGER ganchu_history_upd", rewrite, trigger):
                connection.exec_driver_sql(statement)
        elif connection.dialect.name in DIALECTS:
            trigger = create_statements(connection.dialect.name, ["ganchu_history"])[0]
            for statement in ("DROP TRIGGER ganchu_history_upd", rewrite, trigger):
                connection.exec_driver_sql(statement)
        else:
            for statement in ("DISABLE TRIGGER USER", "", "ENABLE TRIGGER USER"):
                connection.exec_driver_sql(f"ALTER TABLE ganchu_history {statement}" if statement else rewrite)
    assert ganchu("audit", "verify", "--db", scene.url, cwd=scene.folder) == Done(
        4,
        "案件 4 件,事件 7 条 / 4 cases, 7 events\n发现问题 1 处 / 1 problems\n",
        f"✗ digest_wrong ganchu_history {scene.round} event 2: its body does not have the stored digest\n",
    )


# ── the surroundings ──


def test_a_posix_locale_does_no_harm(sqlite_url: str, plan: Path) -> None:
    posix = {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "GANCHU_DB": sqlite_url}
    checked = ganchu("process", "check", "plan.toml", cwd=plan.parent)
    assert "虚构批次" in checked.out
    assert ganchu("process", "check", "plan.toml", cwd=plan.parent, env=posix) == checked
    opened = ganchu("round", "new", "plan.toml", cwd=plan.parent, env=posix).out.strip()
    ganchu("fire", opened, "start", "--as", "office", cwd=plan.parent, env=posix)
    done = ganchu("open", "application", "--as", "applicant:E1", "--data", as_json(), cwd=plan.parent, env=posix)
    assert (done.code, done.err) == (0, "")
    with workflow(sqlite_url) as wf:
        facts = wf.case(done.out.split()[0]).facts
    assert (facts["enterprise"], facts["product"]) == (DECLARATION["enterprise"], DECLARATION["product"])
    late = ganchu("fire", opened, "close", "--as", "office", cwd=plan.parent, env=posix)
    assert (late.code, late.out) == (3, "")
    assert late.err == (
        "不予办理 / refused [applications_open]\n"
        "[close @ running]: 尚有1项申报未办结 / 1 application(s) have not come to an end\n"
    )


def described(command: Any, path: str) -> Iterator[tuple[str, str]]:
    yield path, command.help or ""
    for parameter in command.params:
        yield f"{path} {parameter.name}", getattr(parameter, "help", None) or ""
    for name, sub in getattr(command, "commands", {}).items():
        yield from described(sub, f"{path} {name}")


def test_help_is_chinese_first_and_then_english() -> None:
    found = dict(described(typer.main.get_command(app), "ganchu"))
    assert {"ganchu demo", "ganchu round new plan", "ganchu open member", "ganchu audit verify as_json"} < set(found)
    assert [name for name, text in found.items() if not re.match(r"[^/]*[\u4e00-\u9fff][^/]* / [^/]*[a-z]", text)] == []


def test_every_command_prints_its_help(tmp_path: Path) -> None:
    shown = ganchu("--help", cwd=tmp_path)
    assert (shown.code, shown.err) == (0, "")
    assert [c for c in ("demo", "round", "fire", "open", "audit", "plugins") if f"│ {c} " not in shown.out] == []
    shown = ganchu("round", "new", "--help", cwd=tmp_path, env={"LC_ALL": "POSIX", "PYTHONUTF8": "0"})
    assert (shown.code, shown.err) == (0, "")
    assert "按方案开立批次,输出批次编号。 / Opens a round from a plan" in shown.out


def modules_after(statement: str, tmp_path: Path) -> set[str]:
    code = f"import sys\n{statement}\nprint(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_command_line_itself_loads_nothing_of_the_library(tmp_path: Path) -> None:
    more = modules_after("import ganchu_workflow.cli.main", tmp_path) - modules_after(
        "import ganchu_workflow", tmp_path
    )
    loaded = {m for m in more if m.startswith(("ganchu_", "sql", "alembic", "chinese_calendar"))}
    assert "ganchu_workflow.cli.main" in loaded
    assert {m for m in loaded if not f"{m}.".startswith("ganchu_workflow.cli.")} == set()


def test_help_loads_no_tables(tmp_path: Path) -> None:
    script = "import sys; sys.argv = ['ganchu', '--help']\nfrom ganchu_workflow.cli.main import run\n"
    script += "try: run()\nexcept SystemExit: print()"
    loaded = modules_after(script, tmp_path)
    assert {m.partition(".")[0] for m in loaded} & {"sqlmodel", "sqlalchemy", "alembic"} == set()


def test_what_was_refused_is_listed(scene: Scene) -> None:
    db = ("--db", scene.url)
    assert ganchu("fire", scene.draft, "accept", "--as", "office", *db, cwd=scene.folder).code == 3

    listed = read(ganchu("attempts", scene.round, *db, "--json", cwd=scene.folder))
    shown = ganchu("attempts", scene.round, *db, cwd=scene.folder)

    assert [(a["name"], a["code"], a["kind"], a["actor"]) for a in listed] == [
        ("accept", "not_here", "refused", "office")
    ]
    assert shown.out.endswith("  office  accept  not_here  当前状态“草稿”下不能办理\n")


def test_tasks_say_which_round_cannot_be_run(scene: Scene) -> None:
    with meddling(scene.url) as connection:
        facts = json.loads(
            connection.exec_driver_sql("SELECT facts FROM ganchu_case WHERE kind = 'round'").scalar_one()
        )
        facts["plan"]["stage"][0]["use"] = "site_inspection"
        changed = json.dumps(facts, ensure_ascii=False)
        connection.execute(text("UPDATE ganchu_case SET facts = :f WHERE kind = 'round'"), {"f": changed})

    done = ganchu("tasks", "--as", "office", "--db", scene.url, cwd=scene.folder)

    assert (done.code, done.out) == (4, "")
    assert done.err.startswith(f"未列入 / left out: T-1 {scene.round}: the plan cannot be used")
    assert "there is no 'site_inspection' in ganchu_workflow.stages" in done.err


NOT_LOADED = "  该年放假安排未导入,请留意是否休息日 / whether on a day off nobody knows: that year is not loaded"


@pytest.mark.parametrize(
    ("closes", "mark"),
    [
        ("2021-09-26T00:00:00", "  休息日 / on a day off"),  # 24:00 of a Saturday
        ("2021-09-26T17:30:00", ""),  # a Sunday that is made up
        (
            "2099-12-31T17:30:00",
            "  该年放假安排未导入,请留意是否休息日 / whether on a day off nobody knows: that year is not loaded",
        ),
    ],
)
def test_a_check_says_where_a_window_of_the_plan_ends_on_a_day_off(plan: Path, closes: str, mark: str) -> None:
    plan.write_text(re.sub(r"closes = [^ ]+", f"closes = {closes}", plan.read_text("utf-8")), "utf-8")
    checked = ganchu("process", "check", "plan.toml", cwd=plan.parent)
    assert f"    closes {closes.replace('T', ' ')}+08:00{mark}" in checked.out.splitlines()
