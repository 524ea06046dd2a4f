"""What all agents share: name and inbox, messages, the area of a DSO, forecast errors.

`agent` is the base class; `subscriptions` has roles, and the marks of what an agent or a role does at a gate
(``@at``) and with a message (``@on``); `messages` lists all messages. Look next at `operators` and `parties`.
A further message is a frozen dataclass in `messages` and a method marked ``@on(...)`` of its receiver.
"""
