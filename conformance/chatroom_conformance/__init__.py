"""The conformance suite of the ChatRoom protocol: a verdict per requirement, on any server."""
