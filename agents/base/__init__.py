"""What all agents share: name and inbox, messages, the area of a DSO, forecast errors.

`agent` is the base class, `messages` lists all messages between agents. Look next at `operators` and
`parties`. A further message is a frozen dataclass in `messages` and a handler ``on_...`` of its receiver.
"""
