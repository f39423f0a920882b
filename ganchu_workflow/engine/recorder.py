"""What a step does to its case: new state and facts, deadlines, messages, and the event that says so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import BaseModel

from ganchu_workflow.actors import Role
from ganchu_workflow.canonical import digest, encode
from ganchu_workflow.clock import to_text
from ganchu_workflow.engine import deadlines, telling
from ganchu_workflow.engine.cases import CaseState, describe
from ganchu_workflow.engine.events import MOVED, NOT_CARRIED_OUT, Cause, Event, Receipt
from ganchu_workflow.engine.privacy import keep_secret, private_values, refuse_leaks
from ganchu_workflow.engine.requests import Request, Step
from ganchu_workflow.engine.rulebook import Rulebook
from ganchu_workflow.engine.workspace import Workspace
from ganchu_workflow.errors import Refusal
from ganchu_workflow.process.definition import Edge
from ganchu_workflow.process.values import Effects, Message
from ganchu_workflow.store.tables import INDEXED


@dataclass(frozen=True, slots=True)
class Taken:
    """A step whose guards have passed and whose effects are known."""

    step: Step
    case: CaseState
    edge: Edge
    effects: list[Effects]
    model: BaseModel
    given: dict[str, Any]
    private: list[dict[str, Any]]
    guards: list[dict[str, Any]]
    request: str | None


@dataclass(frozen=True, slots=True)
class Note:
    """What an event says that moves nobody: what was given, and what became of facts, deadlines and messages."""

    given: Mapping[str, Any] = field(default_factory=dict)
    private: Sequence[dict[str, Any]] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    changes: list[dict[str, Any]] = field(default_factory=list)
    tells: Sequence[Message] = ()
    request: str | None = None


class Recorder:
    """Applies steps to the workspace, one event each."""

    def __init__(self, work: Workspace, book: Rulebook, request: Request) -> None:
        self.work = work
        self.book = book
        self.request = request
        self.first: Receipt | None = None
        """The receipt of the act itself: its first event."""
        self.private: list[str] = []
        """The private texts given or kept so far: nothing that follows from them may repeat them openly."""

    def record(self, taken: Taken) -> Cause:
        """Change the case, its deadlines and the outbox as the step says, and add its event to the chain."""
        work, case, edge, step = self.work, taken.case, taken.edge, taken.step
        opens = edge.source is None
        facts, parties = self._gather(taken)
        work.changes += 1
        if step.opening is not None:
            facts = {**step.opening.facts, **facts}
        self._change(case, edge, facts, parties)
        members = next((e.members for e in reversed(taken.effects) if e.members is not None), None)
        if members is not None:
            work.set_members(case, [(m.id, work.get(m.id).visit) for m in members])
        changes = [self.fired(case, step.due.name)] if step.due is not None else []
        settled, tells = deadlines.settle_after(
            work,
            self.book.process,
            self.book.process.kind(case.kind),
            case,
            edge.source,
            self.request.effective_at,
            entered_late=self.request.entry is not None,
        )
        changes += settled
        event = self._event(step, case, edge, MOVED)
        event.data, event.request = taken.given, taken.request
        event.entry = self._entry(case) if step.cause is None else None
        event.guards = taken.guards
        event.effects = [{"id": r.id, "version": r.version} for r in edge.transition.effects]
        event.facts = facts
        event.parties = {r.value: s for r, s in (case.parties if opens else parties).items()}
        if members is not None or (opens and case.listed_anew):
            event.members = [[m, v] for m, v in case.members or []]
        event.opening = {"parent": case.parent, "of": case.of} if opens else None
        event.deadlines = changes
        if event.entry is not None:
            tells = [*telling.entered_late(step, edge, self.request.received_at), *tells]
        event.tells = self._tell(case, [*(m for e in taken.effects for m in e.tell), *tells])
        if work.pending.calendar_used:
            event.calendar = work.calendar.version
        work.pending.private += taken.private
        self._append(case, event)
        return Cause(case.id, case.seq)

    def not_carried_out(self, step: Step, refusal: Refusal | None = None) -> None:
        """An optional follow-up was refused: that is an event of its own, on the case it was meant for."""
        case = self.work.get(str(step.case))
        self.work.changes += 1
        reason = refusal or Refusal("not_here", "当前状态下不能办理", f"cannot be done while it stands in {case.state}")
        event = self._event(step, case, None, NOT_CARRIED_OUT)
        event.refusal = {"code": reason.code, "zh": reason.zh, "en": reason.en, "detail": plain(reason.detail)}
        self._append(case, event)

    def noted(self, step: Step, outcome: str, note: Note) -> Cause:
        """Something happens to a case that stays where it stands, to its deadlines above all: an event of its own."""
        work, case = self.work, self.work.get(str(step.case))
        work.changes += 1
        event = self._event(step, case, None, outcome)
        event.data, event.request = note.given, note.request
        event.facts = dict(note.facts)
        case.facts = {**case.facts, **note.facts}
        event.deadlines = note.changes
        event.tells = self._tell(case, note.tells)
        if work.pending.calendar_used:
            event.calendar = work.calendar.version
        work.pending.private += note.private
        self._append(case, event)
        return Cause(case.id, case.seq)

    def _gather(self, taken: Taken) -> tuple[dict[str, Any], dict[Role, str]]:
        facts: dict[str, Any] = {}
        parties: dict[Role, str] = {}
        for effect in taken.effects:
            facts |= {k: plain(v) for k, v in effect.facts.items()}
            parties |= {Role(r): s for r, s in effect.parties.items()}
            for name, value in effect.secrets.items():
                facts[name] = keep_secret(value, name, taken.case.id, self.work.secret, taken.private)
        if taken.step.cause is not None:
            refuse_leaks(taken.given, self.private, taken.case.facts)
        self.private += private_values(taken.model)
        self.private += [value for e in taken.effects for value in e.secrets.values()]
        told = [m.body for e in taken.effects for m in e.tell]
        opened = [[o.facts, o.parties] for e in taken.effects for o in e.open]
        refuse_leaks([facts, parties, told, opened], self.private, [taken.given, taken.case.facts, taken.case.parties])
        return facts, parties

    def _change(self, case: CaseState, edge: Edge, facts: dict[str, Any], parties: dict[Role, str]) -> None:
        process = self.book.process
        before = {} if edge.source is None else case.facts
        case.facts = {**case.facts, **facts}
        case.state = edge.target
        if parties:
            case.parties = {**case.parties, **parties}
            case.parties_changed = True
        indexed = process.indexed(case.kind)
        if any(before.get(name) != case.facts.get(name) for name in indexed):
            case.searchable = {n: str(case.facts[n])[:INDEXED] for n in indexed if case.facts.get(n) not in (None, "")}
            if case.kind == "application":
                # Who asks for the applications that have such a fact must see this one come or go.
                self.work.crossed(case.round, process.stage_names[0])
        if case.kind == "application":
            left = case.stage if edge.source is not None else ""
            if "." in edge.target:
                case.stage = edge.target.partition(".")[0]
            moved_on = left != case.stage
            if left and moved_on:
                case.visit += 1
            ended = process.is_final(case.view())
            self.work.crossed(case.round, left if moved_on or ended else "", case.stage if moved_on else "")

    def _entry(self, case: CaseState) -> dict[str, Any] | None:
        """Who entered the act late, why, and on what evidence, if it was."""
        entry = self.request.entry
        if entry is None:
            return None
        work = self.work

        def kept(name: str, value: str) -> dict[str, str]:
            # No effect sees it, so that none can leak it. A name or a place can give an objector away.
            return keep_secret(value, name, case.id, work.secret, work.pending.private)

        evidence = {name: kept(name, value) for name, value in entry.evidence.items() if name != "sha256"}
        by = {"role": entry.by.role.value, "scope": entry.by.scope, "person": entry.by.person}
        evidence["sha256"] = entry.evidence["sha256"]
        return {"by": by, "reason": kept("reason", entry.reason), "evidence": evidence}

    def fired(self, case: CaseState, name: str) -> dict[str, Any]:
        """A deadline of the case has fired; the change, for the event."""
        running = replace(self.work.deadlines(case)[name], status=deadlines.FIRED)
        self.work.deadlines(case)[name] = running
        return describe(running)

    def _tell(self, case: CaseState, messages: Sequence[Message]) -> list[dict[str, Any]]:
        told: list[dict[str, Any]] = []
        for message in messages:
            recipient = _recipient(message, case)
            body = encode(plain(message.body))
            proof = digest(body, self.book.algorithm)
            told.append({"message": message.kind, "recipient": recipient, "digest": proof})
            self.work.pending.outbox.append(
                {
                    "id": self.work.new_id(),
                    "round_id": case.round,
                    "case_id": case.id,
                    "seq": case.seq + 1,
                    "ordinal": len(told),
                    "message": message.kind,
                    "recipient": recipient,
                    "body": body,
                    "status": "waiting",
                    "created_at": self.work.around.now,
                }
            )
        return told

    def _event(self, step: Step, case: CaseState, edge: Edge | None, outcome: str) -> Event:
        lifecycle = edge.handler if edge else self.book.process.kind(case.kind).lifecycle
        request = self.request
        return Event(
            case=case.id,
            kind=case.kind,
            round=case.round,
            seq=case.seq + 1,
            trigger=edge.name if edge else step.trigger,
            source=edge.source if edge else case.state,
            target=case.state,
            outcome=outcome,
            actor=step.actor,
            document=request.document if step.cause is None else None,
            received_at=request.received_at,
            effective_at=request.effective_at,
            recorded_at=max(self.work.around.now, case.recorded_at),
            previous=case.head,
            algorithm=self.book.algorithm,
            definition=self.book.fingerprint,
            settings=self.book.settings_digest(edge.stage if edge and edge.stage else case.stage),
            handler=self.book.handler(lifecycle),
            cause=step.cause,
            key=request.key if self.first is None else None,
            request=None,
            data={},
            deadline={"name": step.due.name, "due_at": to_text(step.due.due_at)} if step.due else None,
            stage=case.stage,
            visit=case.visit,
        )

    def _append(self, case: CaseState, event: Event) -> None:
        row = event.row()
        case.seq, case.head, case.recorded_at = event.seq, row["digest"], event.recorded_at
        case.moved = True
        self.work.pending.events.append(row)
        if self.first is None:
            self.first = Receipt.of(event, row["digest"])


def _recipient(message: Message, case: CaseState) -> str:
    scope = message.scope or case.parties.get(message.to, "")
    return f"{message.to.value}:{scope}" if scope else message.to.value


def plain(value: Any) -> Any:
    """A value as plain JSON containers, whatever mapping or sequence it came in."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    return value
