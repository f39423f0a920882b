"""The folder that a round's papers are written to: every file whole or not there, and nobody else's file touched."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TextIO

from ganchu_workflow.audit.verify import Report
from ganchu_workflow.cli.papers.funnel import Funnel, funnel_of
from ganchu_workflow.cli.papers.html import Desk, announcement_html, notice_html
from ganchu_workflow.cli.papers.jsonl import write_history
from ganchu_workflow.cli.papers.lists import Listing, listings
from ganchu_workflow.cli.papers.summary import Told, Written, summary_markdown
from ganchu_workflow.cli.papers.wording import mark_of, places_of, stages_before
from ganchu_workflow.cli.papers.xlsx import ExtraMissing, csv_files, workbook
from ganchu_workflow.cli.terminal import round_of
from ganchu_workflow.errors import Invalid
from ganchu_workflow.process.diagram import map_svg, process_map
from ganchu_workflow.process.values import CaseView
from ganchu_workflow.workflow import Workflow

MARKER = ".ganchu-papers"
"""Lies in a folder that this module has written, and lets it write there again."""
_OURS = re.compile(
    r"(notice|announcement)-[0-9]+\.html|history\.jsonl|applications\.(xlsx|csv)|(recommenders|announced)\.csv"
    r"|process\.(mmd|svg)|summary\.md"
)
_FOR_THE_PUBLIC = re.compile(r"(notice|announcement)-[0-9]+\.html|process\.(mmd|svg)")
"""The others are the office's own: nobody else on the machine may read them."""
_PART = ".part"


@dataclass(frozen=True, slots=True)
class Papers:
    """What was written: the files in order, the funnel, what verification found, and remarks for the reader."""

    files: tuple[Written, ...]
    funnel: Funnel
    report: Report
    remarks: tuple[str, ...]


def check_folder(folder: Path, beside: Collection[str] = ()) -> None:
    """Raise `Invalid` if papers may not be written to `folder`; nothing is changed.

    It must not exist yet (its parent must), be empty, or hold only papers of an earlier time, beside the names given:
    what lies there under such a name is ours only where our marker lies too.
    """
    if not folder.exists():
        if not folder.parent.is_dir():
            raise Invalid(f"the folder '{folder.parent}' does not exist; create it first")
        return
    if not folder.is_dir():
        raise Invalid(f"'{folder}' is a file; name a folder")
    names = {entry.name for entry in folder.iterdir()}
    strangers = sorted(n for n in names if n != MARKER and n not in beside and not _is_ours(n))
    if strangers or (names and MARKER not in names):
        shown = ", ".join((strangers or sorted(names))[:3])
        raise Invalid(
            f"the folder '{folder}' holds files that are not papers of a round ({shown}); "
            "name an empty folder, or one that does not exist yet"
        )


def mark_folder(folder: Path) -> None:
    """Make the folder, for its owner alone, if it is not there, and mark it as one that papers are written to."""
    folder.mkdir(mode=0o700, exist_ok=True)
    (folder / MARKER).write_text("papers of a round, written by ganchu; it writes here again\n", encoding="utf-8")


def write_folder(
    workflow: Workflow,
    round_id: str,
    folder: Path,
    *,
    desk: Desk | None = None,
    report: Report | None = None,
    beside: Collection[str] = (),
    say: Callable[[str], None] | None = None,
) -> Papers:
    """Write all papers of a round: its notices and announcements (HTML), history (JSON lines), lists (XLSX, or CSV
    without the extra [xlsx]), process diagram (Mermaid, SVG) and, last, the summary with the digest of each file.

    `desk` is printed on the notices, `report` is what verification found (None: it runs now), `beside` names what else
    may lie in the folder, `say` is told each name once written. A file appears under its name only whole; papers of an
    earlier time are replaced or removed. What is internal is readable to its owner only, and so is a folder made here.
    Raises `Unknown` for a round that does not exist, `Invalid` for a folder that holds something else, and
    `ListAltered` when a frozen list is not the one its digest was taken of.
    """
    round_ = round_of(workflow, round_id)
    check_folder(folder, beside)
    papers = _Papers(workflow, round_, desk)
    report = workflow.verify() if report is None else report
    mark_folder(folder)
    (folder / "summary.md").unlink(missing_ok=True)  # it vouches for the others, so it goes first and comes last
    to = _Folder(folder, say or (lambda name: None))
    papers.write(to)
    to.text("summary.md", "摘要", papers.summary(report, tuple(to.written)))
    to.tidy()
    return Papers(tuple(to.written), papers.funnel, report, tuple(papers.remarks))


class _Papers:
    """The papers of one round, all read from it once."""

    def __init__(self, workflow: Workflow, round_: CaseView, desk: Desk | None) -> None:
        self.workflow, self.round, self.desk = workflow, round_, desk
        self.process = workflow.process(round_)
        self.mark = mark_of(round_.facts)
        self.places = places_of(round_.facts)
        self.cases = workflow.cases(round_)
        self.applications = self._of_kind("application")
        self.notices = [n for n in self._of_kind("notice") if "list" in n.facts]
        self.announcements = self._of_kind("announcement_act")
        self.funnel = funnel_of(self.process, self.applications, self.places)
        self.lists = listings(self.process, self.applications, self.announcements, self.funnel, self.places)
        self.remarks: list[str] = []

    def write(self, to: _Folder) -> None:
        """All of them but the summary."""
        facts = self.round.facts
        for number, notice in enumerate(self.notices, start=1):
            page = notice_html(
                facts,
                notice.facts,
                stage=notice.stage,
                state=notice.state,
                steps=stages_before(self.process, notice.stage),
                desk=self.desk,
            )
            to.text(f"notice-{number}.html", "公示（打印稿）", page)
        for number, act in enumerate(self.announcements, start=1):
            steps = stages_before(self.process, act.stage)
            page = announcement_html(facts, act.facts, stage=act.stage, steps=steps)
            to.text(f"announcement-{number}.html", "公布（打印稿）", page)
        with to.stream("history.jsonl", "全部历史（内部）") as out:
            write_history(self.workflow, self.round.id, out)
        self._lists(to, self.lists)
        note = f"%% {self.mark}\n" if self.mark else ""
        to.text("process.mmd", "流程图（Mermaid）", note + process_map(self.process))
        to.text("process.svg", "流程图", map_svg(self.process, title=facts["title"], mark=self.mark))

    def summary(self, report: Report, files: tuple[Written, ...]) -> str:
        """The summary, once the others are written."""
        return summary_markdown(
            Told(
                self.round,
                self.process,
                self.funnel,
                Counter(case.kind for case in self.cases),
                self.notices,
                self.announcements,
                report,
                files,
                self.remarks,
            )
        )

    def _lists(self, to: _Folder, lists: tuple[Listing, ...]) -> None:
        title = self.round.facts["title"]
        try:
            to.octets(
                "applications.xlsx",
                "申报名单（内部）",
                workbook(lists, title=title, mark=self.mark, created=self.round.opened_at),
            )
        except ExtraMissing as missing:
            self.remarks.append(f"名单以 CSV 写出：{missing.message}")
            for (name, content), listing in zip(csv_files(lists, mark=self.mark).items(), lists, strict=True):
                to.text(name, f"{listing.title}（内部）", content)

    def _of_kind(self, kind: str) -> list[CaseView]:
        return [case for case in self.cases if case.kind == kind]


class _Folder:
    """A folder in which a file appears under its name only when it is whole."""

    def __init__(self, folder: Path, say: Callable[[str], None]) -> None:
        self.folder, self.say = folder, say
        self.written: list[Written] = []

    def text(self, name: str, what: str, content: str) -> None:
        """A text file in UTF-8, its line ends as they are."""
        self.octets(name, what, content.encode("utf-8"))

    def octets(self, name: str, what: str, content: bytes) -> None:
        """A file of these bytes."""
        self._begun(name).write_bytes(content)
        self._whole(name, what)

    @contextmanager
    def stream(self, name: str, what: str) -> Iterator[TextIO]:
        """A text file that is written bit by bit."""
        with self._begun(name).open("w", encoding="utf-8", newline="\n") as out:
            yield out
        self._whole(name, what)

    def tidy(self) -> None:
        """Remove papers of an earlier time that were not written again."""
        keep = {w.name for w in self.written}
        for entry in self.folder.iterdir():
            if _is_ours(entry.name) and entry.name not in keep:
                entry.unlink()

    def _part(self, name: str) -> Path:
        return self.folder / f".{name}{_PART}"

    def _begun(self, name: str) -> Path:
        """The empty part of a file, which has its rights before it has any content."""
        part = self._part(name)
        part.unlink(missing_ok=True)  # one of an interrupted run would keep the rights it has
        part.touch(mode=0o666 if _FOR_THE_PUBLIC.fullmatch(name) else 0o600)
        return part

    def _whole(self, name: str, what: str) -> None:
        part, digest, size = self._part(name), sha256(), 0
        with part.open("r+b") as file:
            while some := file.read(1 << 20):
                digest.update(some)
                size += len(some)
            os.fsync(file.fileno())  # or a power failure could leave the name without the content
        part.replace(self.folder / name)
        self.written.append(Written(name, what, size, digest.hexdigest()))
        self.say(name)


def _is_ours(name: str) -> bool:
    if name.startswith(".") and name.endswith(_PART):
        name = name[1 : -len(_PART)]
    return _OURS.fullmatch(name) is not None
