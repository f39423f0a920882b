"""Bad input says what is wrong, where, and what to do; it leaves no traceback, and nothing in the database."""

import os
import socket
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import make_url

from ganchu_workflow.store.migrations import VERSION_TABLE
from tests.cli.command import Done, Dump, dump, ganchu, meddling, workflow
from tests.cli.conftest import OFFICE, OPEN, PLAN, Scene, as_json

BAD_INPUT, REFUSED, BROKEN = 2, 3, 4
WORDS = {BAD_INPUT: "错误 / error", REFUSED: "不予办理 / refused", BROKEN: "错误 / error"}


def said(done: Done, exit_code: int, code: str, *fragments: str) -> None:
    """The command ended so, and its message holds these fragments in this order, on stderr and nowhere else."""
    first, _, message = done.err.partition("\n")
    assert (done.code, done.out, first) == (exit_code, "", f"{WORDS[exit_code]} [{code}]"), done
    at = 0
    for fragment in fragments:
        at = message.find(fragment, at)
        assert at >= 0, (fragment, message)
        at += len(fragment)


# ── plans ──

HEAD = 'title = "虚构批次"\ncode = "T-1"\n'
DECLARE = f'[[stage]]\nuse = "self_declaration"\nwindow = {OPEN}\n'
ANNOUNCE = '[[stage]]\nuse = "announcement"\n'


def changed(old: str, new: str) -> str:
    assert old in PLAN
    return PLAN.replace(old, new, 1)


@dataclass(frozen=True)
class BadPlan:
    text: str
    fragments: tuple[str, ...]
    code: str = "plan_invalid"


BAD_PLANS = {
    "not TOML": BadPlan("title = \n", ("plan.toml' is not TOML: ", "line 1")),
    "nothing in it": BadPlan(
        "",
        (
            "plan.toml:",
            "- stage: a plan needs at least one [[stage]]",
            "- title: is missing: give it a text",
            "- code: is missing",
        ),
    ),
    "unknown stage": BadPlan(
        changed('"self_declaration"', '"self_declarations"'),
        ("stage 1 (self_declarations).use: ", "did you mean 'self_declaration'?", "installed are: announcement, "),
    ),
    "stage without use": BadPlan(HEAD + "[[stage]]\nwindow = 1\n", ("stage 1: has no  use = ", "installed are: ")),
    "misspelt key of the plan": BadPlan(
        changed("title", "tilte"),
        ("- tilte: is not a key here; did you mean 'title'? allowed are: title, code, ", "- title: is missing"),
    ),
    "misspelt key of a stage": BadPlan(
        changed("window", "windw"), ("stage 1 (self_declaration).windw: ", "did you mean 'window'? allowed are: ")
    ),
    "misspelt setting": BadPlan(
        changed('"self_declaration"', '"self_declaration"\ncorections = 2'),
        ("stage 1 (self_declaration).corections: ", "did you mean 'corrections'? allowed are: "),
    ),
    "misspelt end of a window": BadPlan(
        changed("closes =", "close ="),
        ("stage 1 (self_declaration).window.close: ", "did you mean 'closes'? allowed are: opens, closes"),
    ),
    "missing setting": BadPlan(
        HEAD + DECLARE + '[[stage]]\nuse = "expert_review"\n' + ANNOUNCE,
        ("stage 2 (expert_review).places: is missing: this stage has no default for it",),
    ),
    "a period that is none": BadPlan(
        changed('"self_declaration"', '"self_declaration"\ncorrection = "5 workdays"'),
        ("stage 1 (self_declaration).correction: ", "5 workdays"),
    ),
    "unwired outcome": BadPlan(
        HEAD + DECLARE + '[[stage]]\nuse = "deliberation"\n' + ANNOUNCE,
        ("deliberation.", "sent_back", "on = { sent_back = "),
        "definition_invalid",
    ),
    "misspelt outcome": BadPlan(
        HEAD
        + DECLARE
        + '[[stage]]\nuse = "deliberation"\non = { sent_bak = "self_declaration" }\n'
        + ANNOUNCE,
        ("stage 2 (deliberation).on.sent_bak: ", "did you mean 'sent_back'? allowed are: "),
    ),
    "outcome wired to no stage": BadPlan(
        HEAD
        + DECLARE
        + '[[stage]]\nuse = "deliberation"\non = { sent_back = "self_declaratoin" }\n'
        + ANNOUNCE,
        ("deliberation", "self_declaratoin", "self_declaration"),
        "definition_invalid",
    ),
    "last stage passes on to nothing": BadPlan(
        HEAD + DECLARE, ("self_declaration.accept: ", "end the plan with a stage such as 'announcement'"),
        "definition_invalid",
    ),
    "a stage twice": BadPlan(HEAD + DECLARE + DECLARE + ANNOUNCE, ("stage self_declaration: is used twice; give ",)),
    "a window that ends before it begins": BadPlan(
        changed("2099", "2019"), ("stage 1 (self_declaration).window: closes before it opens",)
    ),
    "a day without a time": BadPlan(
        changed("2020-01-01T09:00:00", "2020-01-01"),
        ("stage 1 (self_declaration).window.opens: must be a date with a time, for example 2021-09-03T17:30:00",),
    ),
    "unknown time zone": BadPlan(
        'timezone = "Asia/Nanchang"\n' + PLAN, ("timezone: 'Asia/Nanchang' ", "the usual one is Asia/Shanghai")
    ),
    "unknown digest": BadPlan('digest = "md5"\n' + PLAN, ("digest: is 'md5'; allowed are sha256, sm3",)),
    "close of business": BadPlan('close_of_business = "5pm"\n' + PLAN, ("close_of_business: '5pm' ", "write 17:30:00")),
    "demonstration": BadPlan('demonstration = "yes"\n' + PLAN, ("demonstration: must be true or false",)),
    "everything at once": BadPlan(
        'digest = "md5"\n' + changed("closes =", "close =").replace('"announcement"', '"anouncement"'),
        ("stage 1 (self_declaration).window.close: ", "stage 2 (anouncement).use: ", "digest: is 'md5'"),
    ),
}  # fmt: skip


def refused_plan(url: str, path: Path, code: str, *fragments: str) -> None:
    """The plan is refused, and no round is left behind."""
    before = dump(url)
    opened = ganchu("round", "new", path.name, "--db", url, cwd=path.parent)
    said(opened, BAD_INPUT, code, *fragments)
    assert dump(url) == before
    assert not any(before.values())


@pytest.mark.parametrize("name", BAD_PLANS)
def test_a_plan_that_cannot_be_used(name: str, sqlite_url: str, plan: Path) -> None:
    bad = BAD_PLANS[name]
    plan.write_text(bad.text, "utf-8")
    refused_plan(sqlite_url, plan, bad.code, *bad.fragments)


def test_a_plan_that_is_not_there(sqlite_url: str, tmp_path: Path) -> None:
    refused_plan(sqlite_url, tmp_path / "plan.tml", "plan_invalid", "there is no plan at 'plan.tml'")


def test_a_plan_that_is_a_folder(sqlite_url: str, tmp_path: Path) -> None:
    (tmp_path / "plans").mkdir()
    refused_plan(sqlite_url, tmp_path / "plans", "plan_invalid", "the plan 'plans' cannot be read: ")


def test_a_plan_in_another_encoding(sqlite_url: str, plan: Path) -> None:
    plan.write_bytes(PLAN.encode("gb18030"))
    refused_plan(sqlite_url, plan, "plan_invalid", "the plan 'plan.toml' cannot be read: 'utf-8' codec can't decode")


@pytest.mark.parametrize("name", ["everything at once", "unwired outcome"])
def test_a_plan_is_refused_by_either_command_on_either_database(name: str, database_url: str, plan: Path) -> None:
    plan.write_text(BAD_PLANS[name].text, "utf-8")
    opened = ganchu("round", "new", plan.name, "--db", database_url, cwd=plan.parent)
    assert (opened.code, opened.out) == (BAD_INPUT, "")
    assert ganchu("process", "check", plan.name, cwd=plan.parent) == opened
    assert not any(dump(database_url).values())


# ── databases ──


def test_a_folder_that_does_not_exist(tmp_path: Path) -> None:
    for command in (("db", "upgrade"), ("round", "list"), ("demo",)):
        done = ganchu(*command, "--db", "sqlite:///nowhere/round.db", cwd=tmp_path)
        said(done, BROKEN, "database_fault", "the folder 'nowhere' ", "does not exist; create it first")
    assert list(tmp_path.iterdir()) == []


UNUSABLE = {
    "oracle+nothing://h/d": (
        "'oracle+nothing' is not a database this library knows; use sqlite, postgresql+psycopg, mysql+pymysql or"
        " mariadb+pymysql",
    ),
    "round.db": ("this is not a database URL; it looks like sqlite:///round.db",),
    "sqlite://": ("a SQLite database in memory cannot be shared", "use a file: sqlite:///round.db"),
    "sqlite:///:memory:": ("a SQLite database in memory cannot be shared", "use a file: sqlite:///round.db"),
}


@pytest.mark.parametrize("url", UNUSABLE)
def test_an_address_that_cannot_be_used(url: str, tmp_path: Path) -> None:
    said(ganchu("db", "upgrade", "--db", url, cwd=tmp_path), BROKEN, "database_fault", *UNUSABLE[url])
    assert list(tmp_path.iterdir()) == []


NO_LIBPQ = "no pq wrapper available.\\nAttempts made:\\n- couldn't import psycopg 'c' implementation"
DRIVERS = [
    ("postgresql", "psycopg", "ModuleNotFoundError('gone', name='psycopg')", "psycopg", "postgres"),
    ("postgresql", "psycopg", f'ImportError("{NO_LIBPQ}")', "no pq wrapper available.", "postgres"),
    ("mysql", "pymysql", "ModuleNotFoundError('gone', name='pymysql')", "pymysql", "mysql"),
    ("mariadb", "pymysql", "ModuleNotFoundError('gone', name='pymysql')", "pymysql", "mysql"),
]


@pytest.mark.parametrize("command", [("db", "upgrade"), ("round", "list"), ("worker",)], ids=" ".join)
@pytest.mark.parametrize(("scheme", "module", "error", "what", "extra"), DRIVERS)
def test_a_driver_that_is_not_installed(
    command: tuple[str, ...], scheme: str, module: str, error: str, what: str, extra: str, tmp_path: Path
) -> None:
    missing = tmp_path / "missing"
    missing.mkdir()
    (missing / f"{module}.py").write_text(f"raise {error}\n")

    done = ganchu(*command, "--db", f"{scheme}://u:geheim@h/d", cwd=tmp_path, env={"PYTHONPATH": str(missing)})

    said(
        done, BROKEN, "database_fault", f"the driver of '{scheme}+{module}' is not installed ({what}): ",
        f"pip install 'ganchu-workflow[{extra}]'",
    )  # fmt: skip
    assert "geheim" not in done.err


def test_the_driver_of_somebody_else_is_not_the_one_to_install(tmp_path: Path) -> None:
    """What our extra brings would not make this address work."""
    done = ganchu("db", "upgrade", "--db", "postgresql+psycopg2://h/d", cwd=tmp_path)
    said(
        done, BROKEN, "database_fault", "the driver of 'postgresql+psycopg2' is not installed (psycopg2): use sqlite",
        "postgresql+psycopg",
    )  # fmt: skip


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    with socket.socket() as taken:  # bound, but nobody listens
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        for command in (("db", "upgrade"), ("round", "list"), ("tick",)):
            done = ganchu(*command, "--db", f"postgresql://clerk:geheim@127.0.0.1:{port}/ganchu", cwd=tmp_path)
            said(
                done, BROKEN, "database_fault", f"the database postgresql://127.0.0.1:{port}/ganchu cannot be used",
                "check that it is there, the address and the user's rights",
            )  # fmt: skip
            assert "geheim" not in done.err


def test_a_database_that_is_not_there(postgres_url: str, tmp_path: Path) -> None:
    url = make_url(postgres_url).set(database="ganchu_nowhere").render_as_string(hide_password=False)
    done = ganchu("round", "list", "--db", url, cwd=tmp_path)
    said(done, BROKEN, "database_fault", "/ganchu_nowhere cannot be used: check that it is there", "does not exist")


def test_a_file_that_is_no_database(plan: Path) -> None:
    for command in (("db", "upgrade"), ("round", "new", "plan.toml")):
        done = ganchu(*command, "--db", "sqlite:///plan.toml", cwd=plan.parent)
        said(done, BROKEN, "database_fault", "sqlite:///plan.toml cannot be used: ", "file is not a database")
    assert plan.read_text("utf-8") == PLAN


def test_a_file_that_may_only_be_read(sqlite_url: str, plan: Path) -> None:
    before = dump(sqlite_url)
    path = make_url(sqlite_url).database
    # root may write whatever the file's mode says; this holds for everybody.
    url = f"sqlite:///file:{path}?mode=ro&uri=true"
    assert ganchu("round", "list", "--db", url, cwd=plan.parent) == Done(0, "", "")
    done = ganchu("round", "new", plan.name, "--db", url, cwd=plan.parent)
    said(done, BROKEN, "database_fault", "cannot be used: it is read-only for this user")
    assert dump(sqlite_url) == before


def test_a_folder_that_may_only_be_read(tmp_path: Path) -> None:
    folder = tmp_path / "fixed"
    folder.mkdir()
    url = f"sqlite:///{folder / 'round.db'}"
    assert ganchu("db", "upgrade", "--db", url, cwd=tmp_path).code == 0
    # Nobody else's rights stop root; without this one capability it is as everybody.
    under = ("setpriv", "--bounding-set=-dac_override") if os.geteuid() == 0 else ()
    folder.chmod(0o555)
    try:
        known = ganchu("round", "list", "--db", url, cwd=tmp_path, under=under)
        new = ganchu("db", "upgrade", "--db", f"sqlite:///{folder / 'new.db'}", cwd=tmp_path, under=under)
    finally:
        folder.chmod(0o755)
    said(known, BROKEN, "database_fault", "cannot be used: it is read-only for this user")
    said(new, BROKEN, "database_fault", "cannot be used: this user may not write in its folder")
    assert [path.name for path in folder.iterdir()] == ["round.db"]


ON_A_DATABASE = {
    "open a round": ("round", "new", "plan.toml"),
    "list rounds": ("round", "list"),
    "list cases": ("round", "list", "x"),
    "open": ("open", "application", "--as", "applicant:E1"),
    "fire": ("fire", "x", "start", "--as", "office"),
    "allowed": ("allowed", "x", "--as", "office"),
    "tasks": ("tasks", "--as", "office"),
    "history": ("history", "x"),
    "tick": ("tick",),
    "verify": ("audit", "verify"),
}


def test_tables_that_are_not_there(empty_database_url: str, plan: Path) -> None:
    before = dump(empty_database_url)
    done = ganchu("round", "new", "plan.toml", "--db", empty_database_url, cwd=plan.parent)
    said(done, BROKEN, "schema_fault", "has no tables of this library yet: run `ganchu db upgrade`")
    assert (before, dump(empty_database_url)) == ({}, {})


@pytest.mark.parametrize("command", ON_A_DATABASE)
def test_every_command_asks_for_the_tables_and_makes_no_file(command: str, plan: Path) -> None:
    done = ganchu(*ON_A_DATABASE[command], "--db", "sqlite:///new.db", cwd=plan.parent)
    said(done, BROKEN, "schema_fault", "sqlite:///new.db has no tables of this library yet: run `ganchu db upgrade`")
    assert [p.name for p in plan.parent.iterdir()] == ["plan.toml"]


def test_tables_of_a_later_version(database_url: str, plan: Path) -> None:
    with meddling(database_url) as connection:
        connection.exec_driver_sql(f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
    before = dump(database_url)
    for command in (("db", "upgrade"), ("round", "new", "plan.toml"), ("demo",)):
        done = ganchu(*command, "--db", database_url, cwd=plan.parent)
        said(done, BROKEN, "schema_fault", "is at revision 9999", "pip install -U ganchu-workflow")
    assert dump(database_url) == before


# ── acts ──


@dataclass(frozen=True)
class BadAct:
    command: tuple[str, ...]
    exit_code: int
    code: str
    fragments: tuple[str, ...]
    kept: bool = False
    """Whether the refusal is kept as a row."""


def declare(*more: str, actor: str = "applicant:E2", data: str = "") -> tuple[str, ...]:
    return "open", "application", "--as", actor, "--data", data or as_json(), *more


BAD_ACTS = {
    "unknown case": BadAct(
        ("fire", "nope", "submit", "--as", "applicant:E1"), BAD_INPUT, "unknown", ("there is no case 'nope'",)
    ),
    "unknown case to look at": BadAct(
        ("allowed", "nope", "--as", "office"), BAD_INPUT, "unknown", ("there is no case 'nope'",)
    ),
    "unknown case to tell of": BadAct(
        ("history", "nope"), BAD_INPUT, "unknown", ("没有编号为“nope”的案件 / there is no case 'nope'",)
    ),
    "unknown round": BadAct(("round", "list", "nope"), BAD_INPUT, "unknown", ("there is no case 'nope'",)),
    "a case that is no round": BadAct(
        ("round", "list", "{draft}"), BAD_INPUT, "unknown",
        ("{draft}", "application, not a round", "ganchu round list"),
    ),
    "unknown kind to list": BadAct(
        ("round", "list", "{round}", "--kind", "aplication"), BAD_INPUT, "unknown",
        ("no kind of case 'aplication'", "there are: announcement_act, application, "),
    ),
    "unknown round to open in": BadAct(declare("--round", "nope"), BAD_INPUT, "unknown", ("'nope'",)),
    "unknown parent": BadAct(declare("--parent", "nope"), BAD_INPUT, "unknown", ("there is no case 'nope'",)),
    "unknown act": BadAct(declare("--of", "nope"), BAD_INPUT, "unknown", ("there is no case 'nope'",)),
    "unknown member": BadAct(declare("--member", "nope"), BAD_INPUT, "unknown", ("there is no case 'nope'",)),
    "unknown kind": BadAct(
        ("open", "aplication", "--as", "applicant:E2"), BAD_INPUT, "unknown",
        ("no kind of case 'aplication'", "there are: announcement_act, application, "),
    ),
    "unknown stage": BadAct(
        ("open", "announcement_act", "--as", "office", "--stage", "anouncement"), BAD_INPUT, "unknown",
        ("the stage 'anouncement' brings no announcement_act; it comes with: announcement",),
    ),
    "unknown trigger": BadAct(
        ("fire", "{draft}", "sumbit", "--as", "applicant:E1"), BAD_INPUT, "unknown",
        ("没有动作“sumbit”,是否指 self_declaration.submit?此处可办:self_declaration.submit, ", "no trigger 'sumbit'; "),
    ),
    "unknown role": BadAct(
        ("fire", "{draft}", "submit", "--as", "aplicant:E1"), BAD_INPUT, "invalid",
        ("--as: 没有角色“aplicant”;是否指 applicant?可用角色:applicant, ",
         "there is no role 'aplicant'; did you mean 'applicant'? "),
    ),
    "no role": BadAct(
        ("tasks", "--as", ":E1"), BAD_INPUT, "invalid",
        ("--as: 没有角色“”;可用角色:", "there is no role ''; roles are: ")
    ),
    "for whom": BadAct(
        declare(actor="applicant"), BAD_INPUT, "invalid",
        ("--as: 角色“applicant”须写明代表谁", "the role 'applicant' ", "applicant:<reference>")
    ),
    "the library's own role": BadAct(
        ("fire", "{draft}", "lapse", "--as", "clock"), REFUSED, "reserved_role",
        ("该角色由系统专用 / nobody acts as the clock",),
    ),
    "not JSON": BadAct(
        declare(data="{product: 1}"), BAD_INPUT, "invalid",
        ("--data is not JSON: ", "line 1 column 2", 'write it like {"letter"'),
    ),
    "not an object": BadAct(
        declare(data="[1]"), BAD_INPUT, "invalid", ('--data must be a JSON object, for example {"letter": "1"}',)
    ),
    "no number": BadAct(
        declare(data='{"product": NaN}'), BAD_INPUT, "invalid", ("--data is not JSON: NaN is no number",)
    ),
    "a key twice": BadAct(
        declare(data='{"product": "a", "product": "b"}'), BAD_INPUT, "invalid",
        ("--data is not JSON: the key 'product' is given twice",),
    ),
    "nested too deeply": BadAct(declare(data="[" * 100_000), BAD_INPUT, "invalid", ("--data is not JSON: ",)),
    "a file of data that is not there": BadAct(
        declare(data="@nope.json"), BAD_INPUT, "invalid", ("--data: the file cannot be read: ", "nope.json")
    ),
    "a file of data in another encoding": BadAct(
        declare(data="@gbk.json"), BAD_INPUT, "invalid", ("--data is not UTF-8: ", "can't decode")
    ),
    "a key too long": BadAct(declare("--key", "k" * 121), BAD_INPUT, "invalid", ("a key has 1 to 120 characters",)),
    "missing field": BadAct(
        declare(data=as_json(product=None)), REFUSED, "data_invalid",
        ("self_declaration.declare", "材料不全或有误:product 必填,未填写", "the data cannot be used: product: Field"),
        kept=True,
    ),
    "unknown field": BadAct(
        declare(data=as_json(prodcut="示例")), REFUSED, "data_invalid",
        ("材料不全或有误:prodcut 没有这一项", "prodcut: "), kept=True,
    ),
    "a field inside another": BadAct(
        declare(data=as_json(trademark={"number": "1"})), REFUSED, "data_invalid", ("trademark.owner: Field required",),
        kept=True,
    ),
    "a value of another type": BadAct(
        declare(data=as_json(documents="none")), REFUSED, "data_invalid", ("documents: ",), kept=True
    ),
    "a credit code that is none": BadAct(
        declare(data=as_json(credit_code="91369900MA0000015")), REFUSED, "credit_code_invalid",
        ("统一社会信用代码应为18位,现为17位 / ",), kept=True,
    ),
    "another's role": BadAct(
        ("fire", "{draft}", "submit", "--as", "office"), REFUSED, "not_allowed",
        ("您的角色无权办理此事项,可由申报企业办理 / your role may not do this; it is for: applicant",), kept=True,
    ),
    "another's case": BadAct(
        ("fire", "{draft}", "submit", "--as", "applicant:E2"), REFUSED, "not_allowed",
        ("本案不在您的职责范围内 / this case is outside your scope",), kept=True,
    ),
    "another state": BadAct(
        ("fire", "{draft}", "accept", "--as", "office"), REFUSED, "not_here",
        ("accept @ self_declaration.draft", "当前状态“草稿”下不能办理 / "), kept=True,
    ),
    "not ready": BadAct(
        ("fire", "{draft}", "submit", "--as", "applicant:E1", "--data", '{"truthful": true}'), REFUSED,
        "evidence_missing", ("缺少材料:", " / documents are missing: trademark_certificate"), kept=True,
    ),
    "a key for another request": BadAct(
        declare("--key", "k1", actor="applicant:E1", data=as_json(product="另一产品")), REFUSED, "key_reused",
        ("该幂等键已用于另一请求 / the key 'k1' was used for another request; use a new key",), kept=True,
    ),
}  # fmt: skip


def without_attempts(found: Dump) -> Dump:
    return {table: rows for table, rows in found.items() if table != "ganchu_attempt"}


@pytest.mark.parametrize(
    ("database_url", "name"),
    [("sqlite", name) for name in BAD_ACTS] + [("postgresql", name) for name, bad in BAD_ACTS.items() if bad.kept],
    indirect=["database_url"],
)
def test_an_act_that_cannot_be_done(name: str, scene: Scene) -> None:
    bad = BAD_ACTS[name]
    (scene.folder / "gbk.json").write_bytes(as_json().encode("gb18030"))
    names = {"{round}": scene.round, "{draft}": scene.draft}
    command = [names.get(part, part) for part in bad.command]
    before = dump(scene.url)
    done = ganchu(*command, "--db", scene.url, cwd=scene.folder)
    said(done, bad.exit_code, bad.code, *[f.replace("{draft}", scene.draft) for f in bad.fragments])
    assert without_attempts(dump(scene.url)) == without_attempts(before)
    with workflow(scene.url) as wf:
        assert [a["code"] for a in wf.attempts(scene.round)] == ([bad.code] if bad.kept else [])


def test_nothing_is_done_before_the_round_starts(database_url: str, plan: Path) -> None:
    with workflow(database_url) as wf:
        opened = wf.open_round(plan, actor=OFFICE).case_id
        wf.tick()
    before = dump(database_url)
    done = ganchu(*declare(), "--db", database_url, cwd=plan.parent)
    said(done, REFUSED, "round_not_started", "批次尚未启动 / the round has not started; fire 'start' on it first")
    assert without_attempts(dump(database_url)) == without_attempts(before)
    with workflow(database_url) as wf:
        assert [a["code"] for a in wf.attempts(opened)] == ["round_not_started"]


def test_nothing_is_declared_before_the_window_opens(database_url: str, plan: Path) -> None:
    plan.write_text(changed("2020-01-01", "2099-01-01"), "utf-8")
    with workflow(database_url) as wf:
        opened = wf.open_round(plan, actor=OFFICE).case_id
        wf.fire(opened, "start", actor=OFFICE)
    before = dump(database_url)
    done = ganchu(*declare(), "--db", database_url, cwd=plan.parent)
    said(done, REFUSED, "window_not_open", "尚未开始受理,2099-01-01 09:00+08:00 起受理 / ")
    assert without_attempts(dump(database_url)) == without_attempts(before)


def test_which_round_is_asked_when_there_is_none_or_two(database_url: str, plan: Path) -> None:
    for count in ("0", "2"):
        before = dump(database_url)
        done = ganchu(*declare(), "--db", database_url, cwd=plan.parent)
        said(done, BAD_INPUT, "unknown", "say which round: ", f"{count} are open")
        assert dump(database_url) == before
        with workflow(database_url) as wf:
            wf.open_round(plan, actor=OFFICE)
            wf.open_round(plan, actor=OFFICE)


def test_an_argument_that_is_no_text(scene: Scene) -> None:
    before = dump(scene.url)
    done = ganchu("history", "\udcff", "--db", scene.url, cwd=scene.folder)
    said(done, BAD_INPUT, "not_text", "an argument is not text", "set PYTHONUTF8=1")
    assert dump(scene.url) == before


# ── the command line itself ──

MISUSES = {
    "unknown command": (("demon",), "No such command 'demon'"),
    "unknown subcommand": (("round", "opne", "plan.toml"), "No such command 'opne'"),
    "unknown option": (("tick", "--db", "sqlite:///new.db", "--jsn"), "No such option: --jsn"),
    "no database": (("round", "list"), "Missing option '--db'"),
    "no role": (("tasks", "--db", "sqlite:///new.db"), "Missing option '--as'"),
    "no plan": (("round", "new", "--db", "sqlite:///new.db"), "Missing argument 'plan'"),
    "no trigger": (("fire", "x", "--db", "sqlite:///new.db", "--as", "office"), "Missing argument 'trigger'"),
    "too much": (("tick", "now", "--db", "sqlite:///new.db"), "Got unexpected extra argument"),
}


@pytest.mark.parametrize("name", MISUSES)
def test_a_command_that_cannot_be_read(name: str, tmp_path: Path) -> None:
    command, message = MISUSES[name]
    done = ganchu(*command, cwd=tmp_path)
    assert (done.code, done.out) == (BAD_INPUT, "")
    assert done.err.startswith("Usage: ganchu ")
    assert message in done.err
    assert list(tmp_path.iterdir()) == []
