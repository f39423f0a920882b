"""Discovering plugins: real entry points of tiny distributions, installed into a folder on the path."""

import importlib
import sys
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict

from ganchu_workflow.errors import PluginInvalid
from ganchu_workflow.plugins import CHANNELS, STAGES, Plugin, Registry
from ganchu_workflow.process import Lifecycle, Stage

Install = Callable[..., Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Put a distribution into a folder of the path, as pip would: a module, its metadata and its entry points."""

    def put(
        name: str, module: str, code: str, points: Mapping[str, str], *, group: str = STAGES, folder: str = "site"
    ) -> Path:
        site = tmp_path / folder
        info = site / f"{name.replace('-', '_')}-1.2.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n", "utf-8")
        lines = "".join(f"{point} = {value}\n" for point, value in points.items())
        (info / "entry_points.txt").write_text(f"[{group}]\n{lines}", "utf-8")
        (site / f"{module}.py").write_text(code, "utf-8")
        if str(site) not in sys.path:
            monkeypatch.syspath_prepend(str(site))
        importlib.invalidate_caches()
        return site

    yield put
    for name, module in list(sys.modules.items()):
        if (getattr(module, "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]


STAGE = """\
from ganchu_workflow.process import Stage

class Inspection(Stage):
    name = "{name}"
"""


def stage(name: str) -> str:
    return STAGE.format(name=name)


def ours(registry: Registry) -> dict[str, tuple[str, str, str]]:
    """What was discovered, without what the machine of the test has installed itself."""
    return {
        name: (p.brought.__qualname__, p.distribution, p.place)
        for name, p in registry.plugins.items()
        if not p.distribution.startswith("ganchu-workflow ")
    }


def refusal(registry: Registry, name: str) -> str:
    with pytest.raises(PluginInvalid) as refused:
        registry.get(name)
    return refused.value.message


# ── discovery ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_stage_of_another_distribution_is_found_by_its_entry_point(install: Install) -> None:
    install("site-inspection", "inspecting", stage("inspection"), {"inspection": "inspecting:Inspection"})

    registry = Registry.discover()

    assert ours(registry) == {"inspection": ("Inspection", "site-inspection 1.2", "inspecting:Inspection")}
    assert registry.broken == {}
    assert registry.get("inspection").brought is sys.modules["inspecting"].Inspection
    assert registry.distributions()["inspecting"] == "site-inspection 1.2"


def test_a_channel_is_found_in_its_own_group(install: Install) -> None:
    code = "class Bell:\n    name = 'bell'\n    def deliver(self, message):\n        pass\n"
    install("door-bell", "bells", code, {"bell": "bells:Bell"}, group=CHANNELS)

    assert ours(Registry.discover(CHANNELS)) == {"bell": ("Bell", "door-bell 1.2", "bells:Bell")}
    assert ours(Registry.discover()) == {}


# The folder that was put on the path last is searched first.
CLAIMED_TWICE = (
    "two plugins claim the name 'inspection' in ganchu_workflow.stages: second-house 1.2 (two:Inspection) and "
    "first-house 1.2 (one:Inspection); uninstall all but one of them"
)
CLAIMS = [["second-house 1.2", "two:Inspection"], ["first-house 1.2", "one:Inspection"]]


def test_a_name_that_two_distributions_claim_is_refused_and_both_are_named(install: Install) -> None:
    install("first-house", "one", stage("inspection"), {"inspection": "one:Inspection"}, folder="a")
    install("second-house", "two", stage("inspection"), {"inspection": "two:Inspection"}, folder="b")

    registry = Registry.discover()

    assert refusal(registry, "inspection") == CLAIMED_TWICE
    assert registry.broken["inspection"].fields == {"name": "inspection", "group": STAGES, "claims": CLAIMS}
    assert ours(registry) == {}
    assert not {"one", "two"} & set(sys.modules), "neither is so much as imported"


def test_a_second_claim_to_a_name_stops_no_other_stage(install: Install) -> None:
    before = set(Registry.discover().plugins)
    install("first-house", "one", stage("expert_review"), {"expert_review": "one:Inspection"}, folder="a")
    install("good-house", "inspecting", stage("inspection"), {"inspection": "inspecting:Inspection"}, folder="b")

    registry = Registry.discover()

    assert set(registry.plugins) == before - {"expert_review"} | {"inspection"}
    [[ours_name, _], theirs] = sorted(registry.broken["expert_review"].fields["claims"], reverse=True)
    assert (ours_name.split()[0], theirs) == ("ganchu-workflow", ["first-house 1.2", "one:Inspection"])


@pytest.mark.parametrize("broken", ["first", "second", "both"])
def test_that_one_of_them_is_broken_hides_nothing(install: Install, broken: str) -> None:
    bad, good = "raise ImportError('gone')", stage("inspection")
    first, second = good if broken == "second" else bad, good if broken == "first" else bad
    install("first-house", "one", first, {"inspection": "one:Inspection"}, folder="a")
    install("second-house", "two", second, {"inspection": "two:Inspection"}, folder="b")

    assert refusal(Registry.discover(), "inspection") == CLAIMED_TWICE


def test_what_three_claim_names_all_three(install: Install) -> None:
    for folder in ("a", "b", "c"):
        install(f"house-{folder}", folder, "", {"inspection": f"{folder}:Inspection"}, folder=f"site-{folder}")

    assert refusal(Registry.discover(), "inspection") == (
        "3 plugins claim the name 'inspection' in ganchu_workflow.stages: house-c 1.2 (c:Inspection) and "
        "house-b 1.2 (b:Inspection) and house-a 1.2 (a:Inspection); uninstall all but one of them"
    )


def test_what_a_plugin_prints_when_it_is_imported_goes_to_stderr(
    install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    code = f"print('hello')\n{stage('inspection')}"
    install("site-inspection", "inspecting", code, {"inspection": "inspecting:Inspection"})

    assert list(ours(Registry.discover())) == ["inspection"]
    assert tuple(capsys.readouterr()) == ("", "hello\n")


def test_the_same_distribution_twice_on_the_path_is_no_duplicate(install: Install) -> None:
    for folder in ("a", "b"):
        install(
            "site-inspection", "inspecting", stage("inspection"), {"inspection": "inspecting:Inspection"}, folder=folder
        )

    assert ours(Registry.discover()) == {"inspection": ("Inspection", "site-inspection 1.2", "inspecting:Inspection")}


def test_entry_points_that_were_listed_twice_are_no_duplicate(install: Install) -> None:
    install("site-inspection", "inspecting", stage("inspection"), {"inspection": "inspecting:Inspection"})
    points = [p for p in entry_points(group=STAGES) if p.name == "inspection"]

    assert list(Registry.discover(found=[*points, *points]).plugins) == ["inspection"]


CRASHES = {
    "error": ("1 / 0", "ZeroDivisionError: division by zero"),
    "missing": ("import no_such_module_anywhere", "ModuleNotFoundError: No module named 'no_such_module_anywhere'"),
    "exit": ("import sys\nsys.exit('bye')", "SystemExit: bye"),
    "syntax": ("def", "SyntaxError: invalid syntax (crashing.py, line 1)"),
    "absent": ("", "AttributeError: module 'crashing' has no attribute 'Inspection'"),
}


@pytest.mark.parametrize("crash", CRASHES)
def test_a_plugin_that_crashes_is_put_aside_and_refused_on_use(install: Install, crash: str) -> None:
    code, reason = CRASHES[crash]
    install("bad-house", "crashing", code, {"crash": "crashing:Inspection"}, folder="a")
    install("good-house", "inspecting", stage("inspection"), {"inspection": "inspecting:Inspection"}, folder="b")

    registry = Registry.discover()

    assert ours(registry) == {"inspection": ("Inspection", "good-house 1.2", "inspecting:Inspection")}
    assert list(registry.broken) == ["crash"]
    assert refusal(registry, "crash") == (
        f"the plugin 'crash' of bad-house 1.2 (crashing:Inspection) cannot be loaded: {reason}"
    )


def test_a_plugin_that_breaks_its_contract_is_put_aside_too(install: Install) -> None:
    install("bad-house", "lying", stage("another"), {"liar": "lying:Inspection"}, folder="a")
    install("good-house", "inspecting", stage("inspection"), {"inspection": "inspecting:Inspection"}, folder="b")

    registry = Registry.discover()

    assert list(ours(registry)) == ["inspection"]
    assert refusal(registry, "liar") == (
        "the plugin 'liar' of bad-house 1.2 (lying:Inspection) does not keep its contract: "
        "its class says name = 'another', the entry point says 'liar'"
    )


def test_each_who_asks_for_a_broken_plugin_has_an_error_of_his_own(install: Install) -> None:
    install("bad-house", "crashing", "1 / 0", {"crash": "crashing:Inspection"})
    registry = Registry.discover()
    found = []
    for _ in range(2):
        with pytest.raises(PluginInvalid) as refused:
            registry.get("crash")
        found.append(refused.value)

    assert found[0] is not found[1]
    claims = [["bad-house 1.2", "crashing:Inspection"]]
    assert [error.fields for error in found] == [{"name": "crash", "group": STAGES, "claims": claims}] * 2


# ── by hand ───────────────────────────────────────────────────────────────────────────────────────────────────────


class Inspection(Stage):
    name = "inspection"


class Objecting(Stage):
    name = "objecting"


def test_a_host_registers_a_stage_by_hand() -> None:
    registry = Registry()

    registry.register("inspection", Inspection)

    assert registry.get("inspection") == Plugin("inspection", Inspection, "the host", "")


def test_a_second_claim_by_hand_is_refused_and_the_first_stays() -> None:
    registry = Registry()
    registry.register("inspection", Inspection, distribution="first 1.0", place="one:Inspection")

    with pytest.raises(PluginInvalid) as refused:
        registry.register("inspection", Objecting, place="two:Inspection")

    assert refused.value.message == (
        "two plugins claim the name 'inspection' in ganchu_workflow.stages: first 1.0 (one:Inspection) and "
        "the host (two:Inspection); uninstall all but one of them"
    )
    assert registry.get("inspection").brought is Inspection


def test_a_claim_by_hand_to_what_a_broken_plugin_claims_is_refused(install: Install) -> None:
    install("bad-house", "crashing", "1 / 0", {"inspection": "crashing:Inspection"})
    registry = Registry.discover()

    with pytest.raises(PluginInvalid) as refused:
        registry.register("inspection", Inspection, place="two:Inspection")

    assert refused.value.fields["claims"] == [
        ["bad-house 1.2", "crashing:Inspection"],
        ["the host", "two:Inspection"],
    ]
    assert ours(registry) == {}


def test_a_name_nobody_brought_is_refused_with_what_there_is() -> None:
    registry = Registry()
    assert refusal(registry, "inspection") == (
        "there is no 'inspection' in ganchu_workflow.stages; installed are: none"
    )

    registry.register("objecting", Objecting)
    registry.register("inspection", Inspection)
    assert refusal(registry, "inspecton") == (
        "there is no 'inspecton' in ganchu_workflow.stages; did you mean 'inspection'? "
        "installed are: inspection, objecting"
    )


# ── the contract of a stage ───────────────────────────────────────────────────────────────────────────────────────


class Loose(BaseModel):
    pass


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Colliding(Strict):
    on: bool = True
    window: str = ""
    defaults: int = 0


class Sheet(Lifecycle):
    pass


class Demanding(Stage):
    name = "demanding"

    def __init__(self, colour: str) -> None:
        self.colour = colour


class Crashing(Stage):
    name = "crashing"

    def __init__(self) -> None:
        raise RuntimeError("not today")


class Unreadable(type):
    @property
    def contract(cls) -> int:
        raise RuntimeError("not today")


def stage_with(**attributes: Any) -> type[Stage]:
    return type("Odd", (Stage,), {"name": "odd", **attributes})


STAGE_BREACHES: list[tuple[Any, str, list[str]]] = [
    ("a text", "odd", ["it is not a subclass of ganchu_workflow.process.Stage"]),
    (Sheet, "sheet", ["it is not a subclass of ganchu_workflow.process.Stage"]),
    (Inspection(), "inspection", ["it is not a subclass of ganchu_workflow.process.Stage"]),
    (Inspection, "other", ["its class says name = 'inspection', the entry point says 'other'"]),
    (stage_with(contract=2), "odd", ["it was written for version 2 of the contract, this engine has 1"]),
    (stage_with(Settings=dict), "odd", ["its Settings are not a pydantic model"]),
    (stage_with(Settings=Strict()), "odd", ["its Settings are not a pydantic model"]),
    (
        stage_with(Settings=Loose),
        "odd",
        ["its Settings must have extra='forbid', or a misspelt key of a plan would go unnoticed"],
    ),
    (
        stage_with(Settings=Colliding),
        "odd",
        [
            "its Settings have a field 'on', which a plan says of every stage; rename it",
            "its Settings have a field 'defaults', which a plan says of every stage; rename it",
        ],
    ),
    (stage_with(cases=(Sheet, str)), "odd", ["cases= holds <class 'str'>, which is not a Lifecycle"]),
    (stage_with(cases=Sheet), "odd", [f"cases= must be a tuple, not {Sheet!r}"]),
    (
        Demanding,
        "demanding",
        ["it cannot be made without arguments: Demanding.__init__() missing 1 required positional argument: 'colour'"],
    ),
    (Crashing, "crashing", ["it cannot be made without arguments: not today"]),
    (Unreadable("Odd", (Stage,), {"name": "odd"}), "odd", ["it cannot be checked: RuntimeError: not today"]),
    (
        stage_with(name="", contract=0, Settings=Loose, cases=(1,)),
        "odd",
        [
            "its class says name = '', the entry point says 'odd'",
            "it was written for version 0 of the contract, this engine has 1",
            "its Settings must have extra='forbid', or a misspelt key of a plan would go unnoticed",
            "cases= holds 1, which is not a Lifecycle",
        ],
    ),
]


def breach(registry: Registry, name: str, brought: Any) -> str:
    with pytest.raises(PluginInvalid) as refused:
        registry.register(name, brought, distribution="a-house 1.0", place="a:B")
    assert registry.plugins == {}
    prefix, _, problems = refused.value.message.partition(" does not keep its contract: ")
    assert prefix == f"the plugin '{name}' of a-house 1.0 (a:B)"
    return problems


@pytest.mark.parametrize(("brought", "name", "problems"), STAGE_BREACHES)
def test_a_stage_that_breaks_its_contract_is_refused_with_everything(
    brought: Any, name: str, problems: list[str]
) -> None:
    assert breach(Registry(), name, brought) == "; ".join(problems)


def test_settings_with_extra_forbidden_keep_the_contract() -> None:
    registry = Registry()

    registry.register("odd", stage_with(Settings=Strict, cases=(Sheet,)))

    assert list(registry.plugins) == ["odd"]


# ── the contract of a channel ─────────────────────────────────────────────────────────────────────────────────────


class Bell:
    name = "bell"

    def deliver(self, message: Mapping[str, Any]) -> None:
        """Rings."""


class Mute:
    name = "bell"


class Wordy:
    name = "bell"

    def deliver(self, message: str, urgent: bool) -> None:
        """Rings twice."""


class Nameless:
    def deliver(self, message: Mapping[str, Any]) -> None:
        """Rings."""


@pytest.mark.parametrize(
    ("brought", "problem"),
    [
        (Mute, "it has no method deliver(message)"),
        (Wordy, "its method is deliver(self, message: str, urgent: bool) -> None, it must be deliver(self, message)"),
        (Nameless, "its class says name = None, the entry point says 'bell'"),
    ],
)
def test_a_channel_that_breaks_its_contract_is_refused(brought: Any, problem: str) -> None:
    assert breach(Registry(CHANNELS), "bell", brought) == problem


def test_a_channel_keeps_its_contract_with_a_name_and_deliver() -> None:
    registry = Registry(CHANNELS)

    registry.register("bell", Bell)

    assert registry.get("bell").brought is Bell
