"""The part of the fake reads that all stages' tests share."""

from collections.abc import Mapping, Sequence

from ganchu_workflow import CaseView


class Searchable:
    """Finds applications by a fact among `cases`, whatever they are kept in."""

    cases: Mapping[str, CaseView] | Sequence[CaseView]

    def having(self, name: str, value: str, owner: str) -> list[CaseView]:
        found = self.cases.values() if isinstance(self.cases, Mapping) else self.cases
        return [c for c in found if c.kind == "application" and str(c.facts.get(name)) == value]
