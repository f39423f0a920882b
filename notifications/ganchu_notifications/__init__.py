"""The channels that come with `ganchu-workflow`.

A channel carries finished messages outward, after the transition that caused them was committed. It is a class under
the entry-point group `ganchu_workflow.channels`, found there by its name and by no import:

- `name: str`, a class attribute: the name it is chosen by, equal to its entry point's.
- `__init__(self, **options)`: its settings. A setting it cannot use is an `Invalid`, raised here and not at the first
  message.
- `deliver(self, message: Mapping[str, Any]) -> None`: carries one message, with the keys `id` (stable: a message that
  is sent again has the same), `message` (its kind), `recipient` and `body`; the values are canonical JSON. Returning
  means that it is delivered and will not be lost; raising means that it may not be, and the message is handed in again
  later. So a channel must bear the same `id` twice, and what it carries must not repeat where it can prevent that.
"""
