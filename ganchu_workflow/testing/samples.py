"""Who acts in a script and what is declared in it: all of it invented, and marked so in the data itself."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from ganchu_workflow.actors import Actor, Role
from ganchu_workflow.errors import Invalid

OFFICE = Actor(Role.OFFICE, person="office-1")
"""牵头处室."""
SUPERVISOR = Actor(Role.SUPERVISOR, person="supervisor-1")
"""监督."""
CITY = "360100"
"""The city of a declaration that names none."""
INVENTED = "(虚构)"
"""How invented names end."""

_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_ORGANISATION_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_AREA = "369900"  # no area has this code, so that no credit code with it belongs to a firm


def firm(name: str) -> Actor:
    """The enterprise that declares this product."""
    return Actor(Role.APPLICANT, f"firm-{name}", f"operator-{name}")


def authority(code: str) -> Actor:
    """The local authority with this recommender's code: `360100` is 南昌市."""
    return Actor(Role.LOCAL_AUTHORITY, code, f"official-{code}")


def department(code: str) -> Actor:
    """The department of this code that is asked for its opinion."""
    return Actor(Role.DEPARTMENT, code, f"official-{code}")


def expert(reference: str) -> Actor:
    """The expert of this reference."""
    return Actor(Role.EXPERT, reference, reference)


def citizen(name: str) -> Actor:
    """Somebody of the public, under the reference of their identification."""
    return Actor(Role.PUBLIC, f"citizen-{name}")


def credit_code_of(name: str) -> str:
    """A credit code (统一社会信用代码) for this product's enterprise: sound, always the same, and nobody's.

    Its area of registration does not exist; both check digits are right (GB 32100, GB 11714).
    """
    number = int(sha256(name.encode()).hexdigest(), 16)
    organisation = "MA" + "".join(_ALPHABET[number // 31**place % 31] for place in range(6))
    weighed = zip((3, 7, 9, 10, 5, 8, 4, 2), organisation, strict=True)
    rest = 11 - sum(weight * _ORGANISATION_ALPHABET.index(character) for weight, character in weighed) % 11
    front = f"91{_AREA}{organisation}{'0123456789X0'[rest]}"
    total = sum(pow(3, place, 31) * _ALPHABET.index(character) for place, character in enumerate(front))
    return front + _ALPHABET[-total % 31]


def evidence(kind: str, name: str) -> dict[str, str]:
    """A document of an application's file; its digest is that of the name, its address leads nowhere."""
    return {"kind": kind, "name": f"{name}-{kind}", "sha256": sha256(name.encode()).hexdigest(), "uri": f"oa:{name}"}


def declaration_of(name: str, city: str = CITY) -> dict[str, Any]:
    """What an enterprise declares of this product, complete and sound; the authority of the city recommends it."""
    code = credit_code_of(name)
    return {
        "enterprise": f"{name}有限公司{INVENTED}",
        "credit_code": code,
        "product": name,
        "city": city,
        "recommender": city,
        "trademark": {"number": f"TM-{code[-4:]}", "owner": code},
        "contact": f"{name}联系人{INVENTED}",
        "documents": [evidence("trademark_certificate", name)],
    }


def usual_plan(code: str = "TEST", **settings: Mapping[str, Any]) -> dict[str, Any]:
    """A plan of the seven stages of 赣出精品, as a mapping: for tests that do not care about their own.

    Its phases have no dates, so that nothing closes. Places and quota are ample, and a panel has one expert. `settings`
    are those of the stages, by name. A stage more goes in by one line: `plan["stage"].insert(3, {"use": …})`.
    """
    stages: list[dict[str, Any]] = [
        {"use": "self_declaration"},
        {"use": "local_recommendation", "default_quota": 100},
        {"use": "qualification_check"},
        {"use": "expert_review", "places": 100, "panel_size": 1, "panel_size_min": 1},
        {"use": "department_consultation"},
        {"use": "public_notice"},
        {"use": "announcement"},
    ]
    if unknown := settings.keys() - {stage["use"] for stage in stages}:
        raise Invalid(f"the usual plan has no stage {', '.join(sorted(unknown))}; put it into the mapping it returns")
    for stage in stages:
        stage |= settings.get(stage["use"], {})
    return {"title": f"评选 {code}{INVENTED}", "code": code, "demonstration": True, "stage": stages}
