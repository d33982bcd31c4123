"""A server that behaves like the original of 2018, faults included: an odd server for the suite.

One `recv` is one frame of at most 4,096 octets, nothing is written between frames, whoever is
connected hears everything, `sender` is believed, and a message to nobody vanishes. Unlike the
original it takes what breaks it as the end of the server, so that tests see when it would die.

    python original_server.py PORT
"""

from __future__ import annotations

import json
import select
import socket
import sys
from datetime import datetime
from typing import Any


class Original:
    def __init__(self, port: int) -> None:
        self.listener = socket.create_server(("127.0.0.1", port))
        self.names: dict[socket.socket, Any] = {}

    def serve(self) -> None:
        while True:
            ready, _, _ = select.select([self.listener, *self.names], [], [])
            for sock in ready:
                if sock is self.listener:
                    self.names[self.listener.accept()[0]] = None
                elif sock in self.names:
                    self.take(sock, sock.recv(4096))

    def take(self, sock: socket.socket, data: bytes) -> None:
        try:
            frame = json.loads(data)
        except ValueError:
            if not data:
                raise  # the original dies of a client that just closes
            return
        if "username" in frame:
            self.join(sock, frame["username"])
        elif "disconnect" in frame:
            self.send(sock, {"disconnect": True})
            name = self.names.pop(sock)
            sock.close()
            self.broadcast(None, name, f"{name} is offline\n")
        elif "dm" not in frame or "message" not in frame:
            return
        elif frame["dm"]:
            for other, name in list(self.names.items()):
                if name == frame["dm"] and other is not sock:
                    self.send(other, self.message(frame["sender"], frame["message"], name))
        else:
            self.broadcast(sock, frame["sender"], frame["message"])

    def join(self, sock: socket.socket, name: Any) -> None:
        if name in self.names.values():
            self.send(sock, {"errorCode": 1, "isConnected": False})
            return
        self.broadcast(sock, name, "User has connected")
        self.names[sock] = name
        self.send(sock, {"errorCode": -1, "isConnected": True})

    def message(self, sender: Any, text: Any, dm: Any) -> dict[str, Any]:
        return {
            "date": str(datetime.now()),
            "length": len(text),
            "message": text,
            "dm": dm,
            "sender": sender,
        }

    def broadcast(self, but: socket.socket | None, sender: Any, text: Any) -> None:
        for sock in self.names:
            if sock is not but:
                self.send(sock, self.message(sender, text, None))

    def send(self, sock: socket.socket, frame: dict[str, Any]) -> None:
        sock.sendall(json.dumps(frame).encode())


if __name__ == "__main__":
    server = Original(int(sys.argv[1]))
    print("listening", flush=True)
    server.serve()
