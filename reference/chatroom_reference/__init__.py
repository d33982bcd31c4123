"""The reference server and client: thin adapters around ``chatroom_protocol``."""
