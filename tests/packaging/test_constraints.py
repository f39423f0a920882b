"""The constraints file is the exact tested set: complete, exact, and silent about where it came from."""

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LINES = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
PINS = {canonicalize_name(name): pin for name, _, pin in (line.partition("==") for line in LINES)}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


EXTRAS = ("postgres", "mysql", "xlsx", "dev")


def everything() -> list[Requirement]:
    return [*declared(), *(each for extra in EXTRAS for each in declared(extra))]


def declared(extra: str = "") -> list[Requirement]:
    texts = PROJECT["optional-dependencies"][extra] if extra else PROJECT["dependencies"]
    return [Requirement(text) for text in texts]


def test_every_line_is_one_exact_pin() -> None:
    assert [line for line in LINES if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", line)] == []


def test_no_address_is_in_it() -> None:
    text = "\n".join(LINES)

    assert re.findall(r"://|@|index|find-links|file:", text) == []


def test_lines_are_sorted_and_unique() -> None:
    assert sorted(LINES, key=str.lower) == LINES
    assert len(PINS) == len(LINES)


def test_own_package_is_not_pinned() -> None:
    assert canonicalize_name(PROJECT["name"]) not in PINS


def test_every_declared_dependency_is_pinned() -> None:
    """That what these pull in is pinned too is checked where they are freshly installed: in `.ci/run`."""
    names = {canonicalize_name(each.name) for each in everything()}

    assert names - set(PINS) == set()


def test_pins_are_within_the_declared_ranges() -> None:
    requirements = everything()

    outside = [str(each) for each in requirements if not each.specifier.contains(PINS[canonicalize_name(each.name)])]
    assert outside == []


def test_every_dependency_has_a_floor_and_all_code_has_a_ceiling() -> None:
    operators = {
        requirement.name: {clause.operator for clause in requirement.specifier} for requirement in everything()
    }

    # tzdata is data: a newer one is always right.
    assert operators.pop("tzdata") == {">="}
    assert {name: found for name, found in operators.items() if found != {">=", "<"}} == {}


def test_both_supported_lines_of_sqlalchemy_are_allowed() -> None:
    (sqlalchemy,) = [each for each in declared() if each.name == "SQLAlchemy"]

    assert [text for text in ("2.0.29", "2.0.30", "2.1.9", "2.2.0") if sqlalchemy.specifier.contains(text)] == [
        "2.0.30",
        "2.1.9",
    ]
