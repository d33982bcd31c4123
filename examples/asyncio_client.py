"""A ChatRoom client with asyncio: ``python asyncio_client.py NAME [PORT]``; /msg NAME TEXT."""

import asyncio
import sys
import threading

from chatroom_protocol import ClientConnection, JoinResponse, LocalProtocolError, ServerMessage


def show(event):
    match event:
        case JoinResponse(is_connected, code):
            text = "joined" if is_connected else f"the server refused: code {code}"
        case ServerMessage(message, _, sender):
            text = f"{sender or 'server'}{' (private)' if event.is_private else ''}: {message}"
        case _:
            text = getattr(event, "detail", type(event).__name__)
    print("".join(c if c.isprintable() else " " for c in text).strip(), flush=True)  # no escapes


def say(connection, writer, line):
    try:
        if not line:  # the end of the input
            connection.leave()
            asyncio.get_running_loop().call_later(5, writer.transport.abort)
        else:
            name, _, text = line[5:].partition(" ") if line.startswith("/msg ") else ("", "", line)
            connection.say(text.rstrip("\n"), dm=name.strip())
    except LocalProtocolError as error:
        print(f"not sent: {error}", file=sys.stderr)
    writer.write(connection.data_to_send())


def read(loop, *what):
    for line in sys.stdin:
        loop.call_soon_threadsafe(say, *what, line)
    loop.call_soon_threadsafe(say, *what, "")


async def main(name, port):
    connection, loop = ClientConnection(), asyncio.get_running_loop()
    connection.join(name)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while not connection.close_expected:
        writer.write(connection.data_to_send())
        data = await reader.read(65536)
        for event in connection.receive_data(data) if data else connection.receive_eof():
            show(event)
            if isinstance(event, JoinResponse) and event.is_connected:
                threading.Thread(target=read, args=(loop, connection, writer), daemon=True).start()
    writer.write(connection.data_to_send())
    writer.close()


try:
    username = sys.argv[1] if sys.argv[1:] else input("Your name: ")
    asyncio.run(main(username, int(sys.argv[2]) if sys.argv[2:] else 1134))
except (OSError, LocalProtocolError) as error:
    sys.exit(str(error))
