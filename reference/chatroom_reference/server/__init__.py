"""The reference server: blocking sockets and threads around one :class:`chatroom_protocol.Room`.

Nothing here knows the protocol. A reader thread for each connection tells the room what arrived;
the room answers with actions; whoever told it carries them out. Read in this order:

- :mod:`.hub`: one ordered queue in front of the room, and what is done with its answers;
- :mod:`.peer`: one connection, with the octets that wait for it; :mod:`.tls`: the same over TLS;
- :mod:`.server`: listens, starts the readers, stops;
- :mod:`.log` and :mod:`.cli`: what an operator sees.
"""
