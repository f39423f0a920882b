"""`RoundScript`: a round as a readable script, which also goes the usual way by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from functools import cached_property

from ganchu_workflow.actors import Role
from ganchu_workflow.clock import from_text
from ganchu_workflow.errors import Unknown
from ganchu_workflow.testing.acts import Acts
from ganchu_workflow.testing.base import NotAsScripted
from ganchu_workflow.testing.usual import USUAL, Usual


class RoundScript(Acts):
    """One round, opened and started: who acts, what they do, and a time that moves only when it is told to.

        script = RoundScript("plan.toml", database="sqlite:///test.db", start="2021-08-02T09:00")
        script.declare("水表")
        script.at("2021-09-10T10:00")

    `plan` is a TOML file, a mapping of its shape or a `Plan`; left out, `usual_plan()`. The round is kept where
    `workflow` keeps its rounds, or in `database`, which is migrated. Time is that of the workflow: a `SimulatedClock`,
    or the machine's own where freezegun holds it still; `time` names another hand on it. It begins at `start`; left
    out, where the clock stands, and with a `database` when the plan's first phase opens. With `run=False` the round is
    opened and not started. `declaration` makes, from a product's name, what is declared of it; left out, that is
    `declaration_of`.

    Every act goes through the facade. One that is refused raises `Refused`, with notes that say where the cases stand
    and what may be done there; what does not go as scripted otherwise raises `NotAsScripted`.
    """

    @cached_property
    def usual(self) -> dict[str, Usual]:
        """What is usually done in a state, beside or instead of the kit's own: `stage.state` → act.

        This is how `carry` gets through a stage of another distribution:
        `script.usual["site_inspection.planned"] = lambda script, *names: …`.
        """
        return {}

    def carry(self, *names: str, to: str = "", usual: Mapping[str, Usual] | None = None) -> None:
        """Bring applications somewhere by the usual way: what is missing on it is done, in its order.

        `to` is a stage (`public_notice`), a state (`public_notice.showing`), or nothing: the good end. Applications
        that nobody has declared yet are declared first. Where the clock is waited for, or a phase has not opened,
        time moves on. `usual` goes before `self.usual` and the kit's own acts.
        """
        __tracebackhide__ = True
        self._must_exist(to)
        if new := [name for name in dict.fromkeys(names) if name not in self.apps]:
            self._await_phase(self.process.stage_names[0])
            self.draft(*new)
        ways = {**USUAL, **self.usual, **(usual or {})}
        while ahead := self._not_there(names, to):
            state = next(iter(ahead.values()))
            together = [name for name, stands_in in ahead.items() if stands_in == state]
            self._do_the_usual(together, state, ways)
            after = self.states()
            if stuck := [name for name in together if after[name] == state]:
                raise NotAsScripted(f"the usual act of {state} moved nothing: {self.explain(stuck[0])}")

    def _must_exist(self, to: str) -> None:
        __tracebackhide__ = True
        there = [*self.process.stage_names, *self.process.application.states]
        if to and to not in there:
            near = get_close_matches(to, there, 1)
            hint = f"did you mean '{near[0]}'? " if near else ""
            raise Unknown(f"there is no stage or state '{to}'; {hint}there are: {', '.join(there)}")

    def _not_there(self, names: Sequence[str], to: str) -> dict[str, str]:
        """Those that have not arrived, with their states. Raises `NotAsScripted` for one that never will."""
        __tracebackhide__ = True
        states = self.states()
        ahead = {name: states[name] for name in names if not self._arrived(states[name], to)}
        order = self.process.stage_names
        goal = to.partition(".")[0]
        for name, state in ahead.items():
            stage = state.partition(".")[0]
            beyond = stage in order and goal in order and order.index(stage) > order.index(goal)
            if beyond or self.process.application.states[state].final:
                raise NotAsScripted(f"{name} was to come to {to or 'a good end'}, and did not: {self.explain(name)}")
        return ahead

    def _arrived(self, state: str, to: str) -> bool:
        if to:
            return to in (state, state.partition(".")[0])
        good = [name for name, known in self.process.application.states.items() if known.success]
        return state in good if good else self.process.application.states[state].final

    def _await_phase(self, stage: str) -> None:
        __tracebackhide__ = True
        opens = self.phase(stage).facts.get("opens_at")
        if opens is not None and self.now < from_text(opens):
            self.at(from_text(opens))

    def _do_the_usual(self, names: Sequence[str], state: str, ways: Mapping[str, Usual]) -> None:
        __tracebackhide__ = True
        stage, _, bare = state.partition(".")
        self._await_phase(stage)
        use = self.process.stage(stage).stage.name
        for key in (state, f"{use}.{bare}"):
            if key in ways:
                ways[key](self, *names)
                return
        if self.process.application.states[state].owner is not Role.CLOCK:
            raise NotAsScripted(
                f"nothing is usually done in {state}: do it in the script, or say what is usual there, "
                f"script.usual['{state}'] = lambda script, *names: …\n{self.explain(names[0])}"
            )
        while all(self.state(name) == state for name in names):
            self.past_next_due()
