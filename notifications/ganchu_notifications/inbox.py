"""A channel into the inboxes that the library keeps itself: what a person finds in the host's pages."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar, Protocol

from ganchu_workflow.clock import from_text
from ganchu_workflow.errors import Invalid


class Inbox(Protocol):
    """Where the messages are laid; `Workflow.inbox` is one."""

    def put(self, message_id: str, recipient: str, subject: str, text: str, created_at: datetime) -> None:
        """Lay a message into its recipient's inbox; one that is there already changes nothing."""
        ...


class InboxChannel:
    """Lays each message into the inbox of its recipient, once. `inbox` is handed in by the dispatcher's builder."""

    name: ClassVar[str] = "inbox"
    repeats_safely: ClassVar[bool] = True
    wants_inbox: ClassVar[bool] = True

    def __init__(self, **options: Any) -> None:
        inbox = options.pop("inbox", None)
        if not callable(getattr(inbox, "put", None)):
            raise Invalid("the inbox channel needs the object 'inbox' to put messages into, such as Workflow.inbox")
        if options:
            raise Invalid(f"the inbox channel has no option {', '.join(sorted(options))}")
        self._inbox: Inbox = inbox

    def deliver(self, message: Mapping[str, Any]) -> None:
        """Lay `message` into the inbox. Raises `DatabaseFault` when the database fails; then it is not there."""
        self._inbox.put(
            message["id"],
            message["recipient"],
            message["subject"],
            message["text"],
            from_text(message["created_at"]),
        )
