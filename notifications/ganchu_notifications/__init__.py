"""The channels that come with `ganchu-workflow`, and the dispatcher that delivers over them.

A channel carries finished messages outward, after the transition that caused them was committed. It is a class under
the entry-point group `ganchu_workflow.channels`, found there by its name and by no import:

- `name: str`, a class attribute: the name it is chosen by, equal to its entry point's.
- `__init__(self, **options)`: its settings. A setting it cannot use is an `Invalid`, raised here and not at the first
  message.
- `deliver(self, message: Mapping[str, Any]) -> None`: carries one message; its values are canonical JSON. Returning
  means that it is delivered and will not be lost. Raising `Undeliverable` (or any `Invalid`) means that it never will
  be: a dead letter. Raising `PerhapsDelivered` means that nobody can know: it is stuck until a person decides. Raising
  anything else means that it was not delivered, and is handed in again later.
- `repeats_safely: bool`, a class attribute, False when absent: whether the same message may be handed in twice and is
  still received once. Only then is a message that a dead dispatcher had begun to send handed in again by itself.
- `addresses: str`, a class attribute: `required` or `optional` when the channel needs to know where the recipient is
  reached. Addresses are personal data: a channel that does not ask is not told.
- `check_address(address: str)`, a method that it may have: raises `Invalid`, without naming it, for an address it could
  never deliver to. An address book is looked through with it when the dispatcher is built.
- `inbox`, an option that only a channel whose class has `wants_inbox = True` is given: `put(message_id, recipient,
  subject, text, created_at)` of the inboxes that the library keeps.

A message has the keys `id` (stable: a message that is sent again has the same), `message` (its kind), `recipient`
(`role` or `role:scope`), `body`, `round` (id, code, title, demonstration), `subject`, `text`, `language`, `created_at`
(when it was told) and, for a channel that asks, `addresses`. The same id always comes with the same words.
"""
