"""The reference client: a Tk window, or a terminal with ``--console``.

Who talks to whom: ``network`` moves bytes in a thread of its own and decides nothing; ``session``
owns the :class:`~chatroom_protocol.ClientConnection` in the main thread and knows when to
reconnect; ``window`` and ``console`` show a session. What can be decided without a window is in
small plain modules (``lines``, ``people``, ``history``, ``completion``, ``unread``, ``backoff``,
``commands``, ``text_safety``, ``colours``), each tested by itself.
"""
