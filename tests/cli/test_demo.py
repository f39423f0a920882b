"""`ganchu demo --small`: the same bytes every time and on every database, marked as invented, and every outcome met."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ganchu_stages import credit_code
from ganchu_workflow import Actor, Role
from tests.cli.command import Done, dump, ganchu, workflow
from tests.cli.conftest import OFFICE

MARK = "演示数据·非官方文件"
INVENTED = re.compile("演示|虚构|示例|^演|demo|DEMO")

Event = dict[str, Any]


def play(folder: Path, *more: str, **env: str) -> tuple[Done, bytes]:
    """One demonstration in a folder of its own: what it printed, and its file of events."""
    folder.mkdir(parents=True)
    temporary = folder / "tmp"
    temporary.mkdir()
    done = ganchu(
        "demo", "--small", "--events", "events.jsonl", *more, cwd=folder, env={"TMPDIR": str(temporary)} | env
    )
    assert (done.code, done.err) == (0, ""), done
    assert list(temporary.iterdir()) == []
    return done, (folder / "events.jsonl").read_bytes()


@dataclass(frozen=True)
class Played:
    """A demonstration that was played, and its events in the order of the file."""

    done: Done
    file: bytes
    folder: Path
    events: list[Event]

    def of(self, kind: str, trigger: str, source: str | None = None, target: str | None = None) -> list[Event]:
        """The events of this kind of case by this trigger, in the order of time."""
        stageless = trigger.rpartition(".")[2]
        found = [
            e
            for e in self.events
            if e["kind"] == kind
            and stageless == e["trigger"].rpartition(".")[2]
            and ("." not in trigger or trigger == e["trigger"])
            and source in (None, e["source"])
            and target in (None, e["target"])
        ]
        return sorted(found, key=lambda e: str(e["recorded_at"]))

    def one(self, kind: str, trigger: str, source: str | None = None, target: str | None = None) -> Event:
        """The only such event."""
        (found,) = self.of(kind, trigger, source, target)
        return found

    def case(self, case: str) -> list[Event]:
        """The events of one case."""
        return [e for e in self.events if e["case"] == case]

    def way(self, case: str) -> list[str]:
        """The states a case was in."""
        return [e["target"] for e in self.case(case)]

    def caused(self, event: Event) -> list[Event]:
        """What followed from an event at once."""
        return [e for e in self.events if e["cause"] == {"case": event["case"], "seq": event["seq"]}]


@pytest.fixture(scope="session")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    folder = tmp_path_factory.mktemp("demo") / "first"
    done, file = play(folder)
    events = [json.loads(line) for line in file.decode("utf-8").splitlines()[1:]]
    return Played(done, file, folder, events)


# ── the same bytes ──


@pytest.mark.parametrize(("seed", "zone"), [("0", "UTC"), ("4711", "America/New_York")])
def test_a_second_time_is_the_same_to_the_byte(played: Played, tmp_path: Path, seed: str, zone: str) -> None:
    again = play(tmp_path / "another folder", PYTHONHASHSEED=seed, TZ=zone, LC_ALL="POSIX", PYTHONUTF8="0")
    assert again == (played.done, played.file)


def test_it_is_the_same_on_a_database_of_ones_own(played: Played, empty_database_url: str, tmp_path: Path) -> None:
    assert play(tmp_path / "own", "--db", empty_database_url) == (played.done, played.file)
    verified = ganchu("audit", "verify", "--db", empty_database_url, cwd=tmp_path)
    assert (verified.code, verified.err) == (0, "")
    count = len({e["case"] for e in played.events})
    assert verified.out == (
        f"案件 {count} 件,事件 {len(played.events)} 条 / {count} cases, {len(played.events)} events\n"
        "记录完整 / the record is whole\n"
    )
    with workflow(empty_database_url) as wf:
        (opened,) = wf.rounds()
        codes = Counter(a["code"] for a in wf.attempts(opened))
    assert codes >= Counter({"window_not_open": 1, "window_closed": 2, "not_allowed": 1})
    before = dump(empty_database_url)
    second = ganchu("demo", "--small", "--db", empty_database_url, cwd=tmp_path)
    assert (second.code, second.out) == (2, "")
    assert "already holds a round; give the demonstration an empty one" in second.err
    assert dump(empty_database_url) == before


def test_it_is_refused_where_a_real_round_is_held(database_url: str, plan: Path) -> None:
    with workflow(database_url) as wf:
        opened = wf.open_round(plan, actor=OFFICE).case_id
    before = dump(database_url)
    done = ganchu("demo", "--small", "--db", database_url, "--events", "e.jsonl", cwd=plan.parent)
    assert (done.code, done.out) == (2, "")
    assert f"the database holds the real round {opened}" in done.err
    assert dump(database_url) == before
    assert not (plan.parent / "e.jsonl").exists()


def test_a_file_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    done = ganchu("demo", "--small", "--events", "nowhere/e.jsonl", cwd=tmp_path)
    assert (done.code, done.out) == (2, "")
    assert "the folder 'nowhere' does not exist; create it first" in done.err
    assert list(tmp_path.iterdir()) == []


# ── marked as invented ──


def test_all_it_writes_is_marked(played: Played) -> None:
    lines = [line for line in played.done.out.splitlines() if line]
    assert (MARK in lines[0], MARK in lines[-1]) == (True, True)
    assert "虚构" in lines[0]
    assert sorted(p.name for p in played.folder.iterdir()) == ["events.jsonl", "tmp"]
    assert json.loads(played.file.decode("utf-8").splitlines()[0]) == {"mark": MARK}
    opening = played.one("round", "open_round")
    assert opening["data"]["demonstration"] is True
    assert INVENTED.search(opening["data"]["title"])


def test_no_path_no_duration_and_no_present_time_is_in_it(played: Played) -> None:
    text = played.done.out + played.file.decode("utf-8")
    assert "事件已写入 events.jsonl" in played.done.out
    assert re.findall(r"(?:/tmp|/home|/work|/usr|[A-Z]:\\|sqlite|postgres|site-packages)[^\s\"]*", text) == []
    assert re.findall(r"\d+(?:\.\d+)?\s*(?:ms|s|秒|毫秒|seconds?)\b", played.done.out) == []
    assert set(re.findall(r"\b(20\d\d)-\d\d", text)) == {"2021"}
    assert {e[k][:4] for e in played.events for k in ("received_at", "effective_at", "recorded_at")} == {"2021"}


def values(data: Any, key: str) -> Iterator[Any]:
    """Every value under this key, however deep."""
    if isinstance(data, dict):
        for name, value in data.items():
            if name == key:
                yield value
            yield from values(value, key)
    elif isinstance(data, list):
        for value in data:
            yield from values(value, key)


def texts(played: Played, key: str) -> set[str]:
    found: set[str] = set()
    for value in values([[e["data"], e["facts"]] for e in played.events], key):
        found |= set(value if isinstance(value, list) else value.values() if isinstance(value, dict) else [value])
    return found


@pytest.mark.parametrize(
    "key", ["issuers", "departments", "recommenders", "enterprise", "product", "document", "letter", "recommender"]
)
def test_names_and_numbers_of_documents_are_marked_as_invented(played: Played, key: str) -> None:
    found = texts(played, key) - {""}
    assert found
    unmarked = {text for text in found if not INVENTED.search(text)}
    # A letter of a city is numbered with the city's sign before the mark.
    assert {text for text in unmarked if "演〔" not in text} == set()


def test_no_real_organ_and_no_real_place_is_named(played: Played) -> None:
    real = (
        "江西|工业和信息化|人民政府|发展和改革|财政厅|科技厅|商务厅|市场监督|知识产权局|税务局|生态环境厅|工信局"
        "|南昌|九江|景德镇|萍乡|新余|鹰潭|赣州|吉安|宜春|抚州|上饶"
    )
    text = played.done.out + played.file.decode("utf-8")
    assert set(re.findall(real, text)) == set()


def test_the_credit_codes_are_sound_and_of_an_area_that_does_not_exist(played: Played) -> None:
    declared = [e["data"]["credit_code"] for e in played.of("application", "declare")]
    assert len(set(declared)) == len(declared) == 13
    assert [(c, credit_code.check(c), credit_code.registration_area(c)) for c in declared] == [
        (c, None, "369900") for c in declared
    ]
    text = played.done.out + played.file.decode("utf-8")
    assert set(re.findall(r"(?<![0-9A-Za-z])[0-9A-Z]{18}(?![0-9A-Za-z])", text)) == set(declared)


# ── every outcome is met ──


def test_every_final_state_of_the_story(played: Played) -> None:
    last = {e["case"]: (e["kind"], e["target"]) for e in played.events}
    found = Counter(last.values())
    assert {end: count for end, count in found.items() if end[0] in ("application", "objection", "sheet", "seat")} == {
        ("application", "self_declaration.lapsed"): 1,
        ("application", "self_declaration.not_accepted"): 1,
        ("application", "local_recommendation.missed"): 1,
        ("application", "local_recommendation.over_quota"): 1,
        ("application", "qualification_check.disqualified"): 1,
        ("application", "qualification_check.deemed_withdrawn"): 1,
        ("application", "expert_review.not_shortlisted"): 1,
        ("application", "withdrawn"): 1,
        ("application", "public_notice.removed"): 1,
        ("application", "announcement.announced"): 4,
        ("objection", "not_admitted"): 1,
        ("objection", "dismissed"): 1,
        ("objection", "upheld"): 1,
        ("sheet", "scored"): 34,
        ("sheet", "void"): 1,
        ("seat", "accepted"): 5,
        ("seat", "declined"): 1,
    }
    assert set(found) >= {
        ("round", "closed"), ("phase", "closed"), ("panel", "ranked"), ("notice", "closed"), ("recognition", "valid"),
        ("announcement_act", "published"), ("recommendation", "issued"), ("consultation", "deemed"),
        ("consultation", "no_objection"), ("consultation", "remark"), ("consultation", "objects"),
    }  # fmt: skip
    assert {e["outcome"] for e in played.events} <= {"moved", "not_carried_out", "deadline_alerted"}


def after(way: list[str], *states: str) -> bool:
    """Whether these states are met in this order."""
    left: Iterable[str] = iter(way)
    return all(state in left for state in states)


def test_returned_corrected_and_announced(played: Played) -> None:
    returned = played.one("application", "self_declaration.return_for_correction")
    again = played.one("application", "self_declaration.resubmit")
    assert (returned["actor"]["role"], again["actor"]["role"]) == ("office", "applicant")
    assert again["case"] == returned["case"]
    assert after(
        played.way(returned["case"]),
        "self_declaration.correcting",
        "self_declaration.submitted",
        "local_recommendation.pending",
        "announcement.announced",
    )


def test_lapsed_at_the_close_of_the_phase(played: Played) -> None:
    lapsed = played.one("application", "lapse", "self_declaration.draft", "self_declaration.lapsed")
    closing = next(e for e in played.of("phase", "close") if e["stage"] == "self_declaration")
    assert lapsed["cause"] == {"case": closing["case"], "seq": closing["seq"]}
    assert closing["deadline"]["due_at"] == closing["effective_at"] == lapsed["effective_at"]
    assert played.way(lapsed["case"]) == ["self_declaration.draft", "self_declaration.lapsed"]


def test_missed_by_its_authority(played: Played) -> None:
    missed = played.one("application", "miss", "local_recommendation.pending", "local_recommendation.missed")
    closing = next(e for e in played.of("phase", "close") if e["stage"] == "local_recommendation")
    assert missed["cause"] == {"case": closing["case"], "seq": closing["seq"]}
    assert closing["actor"]["role"] == "clock"


def test_over_the_quota_by_its_rank(played: Played) -> None:
    exceeded = played.one("application", "exceed", "local_recommendation.pending", "local_recommendation.over_quota")
    (letter,) = [e for e in played.of("recommendation", "issue") if exceeded in played.caused(e)]
    stages = played.one("round", "open_round")["data"]["plan"]["stage"]
    quotas = next(s["quota"] for s in stages if s["use"] == "local_recommendation")
    ranks = letter["data"]["ranks"]
    quota = quotas[letter["actor"]["scope"]]
    assert ranks[exceeded["case"]] == max(ranks.values()) == quota + 1
    passed = {e["case"] for e in played.caused(letter) if e["target"] == "qualification_check.checking"}
    assert passed == {case for case, rank in ranks.items() if rank <= quota}


def test_disqualified_by_the_office(played: Played) -> None:
    done = played.one("application", "disqualify", "qualification_check.checking", "qualification_check.disqualified")
    assert (done["actor"]["role"], bool(done["data"]["reason_code"])) == ("office", True)


def test_deemed_withdrawn_when_a_correction_does_not_come(played: Played) -> None:
    asked = played.one("application", "qualification_check.return_for_correction")
    silent = played.one("application", "give_up", "qualification_check.correcting")
    assert (silent["case"], silent["target"]) == (asked["case"], "qualification_check.deemed_withdrawn")
    assert silent["actor"]["role"] == "clock"
    assert silent["deadline"]["due_at"] == silent["effective_at"] == "2021-09-29T09:30:00.000000Z"


def test_a_seat_is_declined_and_filled_from_the_draw(played: Played) -> None:
    declined = played.one("seat", "decline", "invited", "declined")
    replaced = played.one("panel", "replace")
    assert declined["actor"]["role"] == "expert"
    assert replaced in played.caused(declined)
    (sixth,) = [e for e in played.caused(replaced) if e["kind"] == "seat"]
    assert played.way(sixth["case"]) == ["invited", "accepted"]
    scorers = {e["actor"]["scope"] for e in played.of("sheet", "score")}
    assert (sixth["parties"]["expert"] in scorers, declined["actor"]["scope"] in scorers) == (True, False)


def test_a_late_recusal_moves_the_cut_and_keeps_both_results(played: Played) -> None:
    recused = played.one("sheet", "recuse_late", "scored", "void")
    assert recused["actor"]["role"] == "supervisor"
    again = played.one("panel", "rerank")
    assert again in played.caused(recused)
    down = played.one("application", "demote", "department_consultation.consulting", "expert_review.reserve")
    up = played.one("application", "promote", "expert_review.reserve", "department_consultation.consulting")
    assert down["effective_at"] == up["effective_at"] == recused["effective_at"]
    (opened,) = [e for e in played.case(recused["case"]) if e["opening"]]
    assert opened["opening"]["parent"] == down["case"]
    before, after_it = played.one("panel", "rank")["facts"]["results"], again["facts"]["results"]
    assert (len(after_it), after_it[:1]) == (2, before)
    places = [{row["application"]: row["place"] for row in result["ranking"]} for result in after_it]
    changed = {case: (places[0][case], places[1][case]) for case in places[0] if places[0][case] != places[1][case]}
    assert changed == {down["case"]: ("in", "reserve"), up["case"]: ("reserve", "in")}


def test_silence_is_consent_only_where_the_letter_says_so(played: Played) -> None:
    silent = {e["case"] for e in played.of("consultation", "lapse", "sent", "no_reply")}
    deemed = {e["case"] for e in played.of("consultation", "deem", "no_reply", "deemed")}
    waiting = silent - deemed
    said = {
        e["case"]: letter["data"]["silence_is_consent"]
        for letter in played.of("consultation_letter", "send")
        for e in played.caused(letter)
    }
    assert {case: said[case] for case in silent} == dict.fromkeys(deemed, True) | dict.fromkeys(waiting, False)
    assert (bool(deemed), bool(waiting)) == (True, True)
    for case in waiting:  # it was answered after all, and only then
        answered = next(e for e in played.of("consultation", "agree", "no_reply") if e["case"] == case)
        lapsed = next(e for e in played.of("consultation", "lapse") if e["case"] == case)
        assert answered["effective_at"] > lapsed["effective_at"]


def test_a_late_negative_reply_is_kept_and_moves_nothing(played: Played) -> None:
    late = played.one("consultation", "oppose_late")
    assert (late["source"], late["target"], late["actor"]["role"]) == ("deemed", "objects", "department")
    assert played.caused(late) == []
    assert {t["recipient"] for t in late["tells"]} >= {"office", "supervisor"}
    (opened,) = [e for e in played.case(late["case"]) if e["opening"]]
    assert played.way(opened["opening"]["parent"])[-1] == "announcement.announced"


def test_an_objection_of_a_department_is_overridden(played: Played) -> None:
    decided = played.one("application", "override")
    assert (decided["source"], decided["target"]) == ("department_consultation.objected", "public_notice.listed")
    assert decided["actor"]["role"] == "office"


def test_objections_come_to_their_three_ends(played: Played) -> None:
    refused = played.one("objection", "refuse", "filed", "not_admitted")
    dismissed = played.one("objection", "dismiss", "investigating", "dismissed")
    upheld = played.one("objection", "uphold", "investigating", "upheld")
    about = {
        e["case"]: next(o["opening"]["parent"] for o in played.case(e["case"]) if o["opening"])
        for e in (refused, dismissed, upheld)
    }
    assert played.way(about[refused["case"]])[-1] == "announcement.announced"
    assert "public_notice.held" not in played.way(about[refused["case"]])
    assert after(played.way(about[dismissed["case"]]), "public_notice.held", "announcement.announced")
    assert after(played.way(about[upheld["case"]]), "public_notice.held", "public_notice.removed")
    removed = played.one("application", "remove", "public_notice.held", "public_notice.removed")
    assert removed in played.caused(upheld)


def test_an_objection_at_the_closing_instant_is_in_time(played: Played) -> None:
    first = played.of("notice", "close")[0]
    filed = played.of("objection", "file")[-1]
    assert filed["received_at"] == first["effective_at"] == first["deadline"]["due_at"]


def test_a_reserve_is_promoted_with_a_consultation_and_a_notice_of_its_own(played: Played) -> None:
    filled = played.one("application", "fill", "expert_review.reserve", "department_consultation.consulting")
    case = filled["case"]
    asked = [
        e
        for e in played.of("consultation", "open")
        if e["opening"]["parent"] == case and e["recorded_at"] >= filled["recorded_at"]
    ]
    first, second = played.of("notice", "publish")
    opened = {e["case"]: [m for m, _ in e["members"]] for e in played.of("notice", "draft")}
    assert len(asked) == 2
    assert (case in opened[first["case"]], opened[second["case"]]) == (False, [case])
    assert second["recorded_at"] >= filled["recorded_at"]
    closed = next(e for e in played.of("notice", "close") if e["case"] == second["case"])
    assert closed["deadline"]["due_at"] == "2021-11-19T09:30:00.000000Z"
    assert after(played.way(case), "expert_review.reserve", "public_notice.showing", "announcement.announced")


def test_a_reserve_withdraws(played: Played) -> None:
    gone = played.one("application", "withdraw", "expert_review.reserve", "withdrawn")
    assert gone["actor"]["role"] == Actor(Role.APPLICANT).role.value


def test_one_act_announces_all_and_the_round_is_closed(played: Played) -> None:
    act = played.one("announcement_act", "publish")
    announced = played.of("application", "announce", "announcement.decided", "announcement.announced")
    assert {e["case"] for e in announced} == {m for m, _ in act["members"]}
    assert all(e in played.caused(act) for e in announced)
    assert played.way(played.one("round", "open_round")["case"]) == ["planning", "running", "announced", "closed"]
    assert [e["target"] for e in played.events if e["kind"] == "recognition"] == ["valid"] * 4
