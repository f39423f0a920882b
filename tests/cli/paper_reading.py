"""Reading back what the papers say: HTML as text and tables, and a notice and an announcement to print."""

from html.parser import HTMLParser
from typing import Any

from ganchu_workflow.canonical import digest_of

CITIES = {"360100": "南昌市", "360700": "赣州市", "X-GJXQ": "赣江新区"}
OFFICES = {code: f"{name}工信局(虚构)" for code, name in CITIES.items()}
"""Who recommends: each under the code of its city."""
VOID = {"br", "col", "hr", "meta"}
BLOCKS = {"p", "h1", "h2", "li", "div", "title"}


class Page(HTMLParser):
    """An HTML page taken apart: its blocks of text by tag and class, the cells of its table, every tag."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.blocks: list[tuple[str, str]] = []
        self.rows: list[list[str]] = []
        self.style = ""
        self._open: list[tuple[str, str]] = []
        self._text: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == [], "a tag is left open"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag in VOID:
            return
        self._open.append((tag, dict(attrs).get("class") or ""))
        if tag == "tr":
            self.rows.append([])
        if tag in BLOCKS | {"th", "td"}:
            self._text = []

    def handle_endtag(self, tag: str) -> None:
        opened, name = self._open.pop()
        assert opened == tag
        text = "".join(self._text)
        if tag in ("th", "td"):
            self.rows[-1].append(text)
        if tag in BLOCKS and text.strip():
            self.blocks.append((f"{tag}.{name}" if name else tag, text))
        if tag in BLOCKS | {"th", "td"}:
            self._text = []

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1][0] == "style":
            self.style += data
        else:
            self._text.append(data)

    def texts(self, block: str) -> list[str]:
        """The texts of the blocks of one tag and class."""
        return [text for name, text in self.blocks if name == block]


def round_facts(*, demonstration: bool = True, defaults: tuple[str, ...] = ("window", "certificate")) -> dict[str, Any]:
    """What a round says of itself; every setting in `defaults` is one that its plan does not give."""
    stages: list[dict[str, Any]] = [
        {"use": "self_declaration", "as": "self_declaration", "cities": CITIES},
        {"use": "local_recommendation", "as": "local_recommendation", "recommenders": OFFICES},
        {"use": "public_notice", "as": "public_notice", "window": "5 working days"},
        {"use": "announcement", "as": "announcement"},
    ]
    return {
        "title": "虚构评选",
        "code": "T-1",
        "demonstration": demonstration,
        "plan": {"timezone": "Asia/Shanghai", "stage": [{**s, "defaults": list(defaults)} for s in stages]},
    }


def notice_facts(*items: tuple[str, str, str], **changed: Any) -> dict[str, Any]:
    """A published notice of (enterprise, product, city), from Wednesday over a weekend to the next."""
    rows = [[n, f"01CASE{n}", *item] for n, item in enumerate(items or [("甲公司", "甲产品", "360100")], start=1)]
    return {
        "title": "首次公示",
        "dated_on": "2021-11-03",
        "published_at": "2021-11-03T01:00:00.000000Z",
        "opens_at": "2021-11-03T01:00:00.000000Z",
        "closes_at": "2021-11-10T09:30:00.000000Z",
        "reckoned": "2021-11-10T09:30:00.000000Z",
        "rule": "5 working days",
        "days": [
            ["2021-11-03", False, "start_day", ""],
            ["2021-11-04", True, "working", ""],
            ["2021-11-05", True, "working", ""],
            ["2021-11-06", False, "weekend", ""],
            ["2021-11-07", False, "weekend", ""],
            ["2021-11-08", True, "working", ""],
            ["2021-11-09", True, "working", ""],
            ["2021-11-10", True, "working", ""],
        ],
        "calendar": "cn-0",
        "provisional": False,
        "anomalies": [],
        "list": rows,
        "digest": digest_of(rows),
    } | changed


def announcement_facts(*items: tuple[str, str, str], **changed: Any) -> dict[str, Any]:
    """An announcement of (enterprise, product, city)."""
    rows = [[f"T-1-{n:03}", f"01CASE{n}", *item] for n, item in enumerate(items, start=1)]
    return {
        "document": "虚发〔2021〕1号",
        "issuers": ["虚构甲厅", "虚构乙局"],
        "dated_on": "2021-12-16",
        "published_at": "2021-12-16T02:00:00.000000Z",
        "list": rows,
        "digest": digest_of(rows),
    } | changed
