"""A ChatRoom server with asyncio: ``python asyncio_server.py [PORT]``."""

import asyncio
import signal
import sys
from contextlib import suppress
from datetime import datetime

from chatroom_protocol import Abort, Close, PauseReading, ResumeReading, Room, Send, SendEOF

METHODS = {SendEOF: "write_eof", Close: "close", Abort: "abort"}
METHODS |= {PauseReading: "pause_reading", ResumeReading: "resume_reading"}


class Server:
    def __init__(self):
        self.room, self.timer = Room(lambda: datetime.now().astimezone()), None
        self.loop, self.empty = asyncio.get_running_loop(), asyncio.Event()

    def tell(self, report, *what):
        todo = report(*what, self.loop.time())
        for action in todo:  # a backlog reported below makes it grow, so the order is kept
            if isinstance(action, Send):
                for one in action.connections:
                    one.write(action.data)
                    waiting = one.get_write_buffer_size()
                    todo += self.room.report_backlog(one, waiting, self.loop.time())
            elif type(action) in METHODS:  # the others are for a log
                with suppress(OSError):  # the peer was faster, and that is told by the reader
                    getattr(action.connection, METHODS[type(action)])()
        if self.timer:
            self.timer.cancel()
        if (when := self.room.next_deadline) is not None:
            self.timer = self.loop.call_at(when, self.tell, self.room.deadline_passed)
        self.empty.clear() if self.room.connection_count else self.empty.set()

    async def serve(self, reader, writer):
        key = writer.transport
        self.tell(self.room.connection_made, key)
        with suppress(OSError):  # a reset needs no words: the connection is lost
            while data := await reader.read(65536):
                self.tell(self.room.receive_data, key, data)
            self.tell(self.room.receive_eof, key)
            await writer.wait_closed()
        self.tell(self.room.connection_lost, key)


async def main(port):
    server, stop = Server(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        server.loop.add_signal_handler(number, stop.set)
    async with await asyncio.start_server(server.serve, "127.0.0.1", port) as listener:
        print("listening on {}:{}".format(*listener.sockets[0].getsockname()), flush=True)
        await stop.wait()
        server.tell(server.room.shut_down)
        await server.empty.wait()


asyncio.run(main(int(sys.argv[1]) if sys.argv[1:] else 1134))
