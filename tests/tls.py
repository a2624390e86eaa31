"""A port that answers the same to everyone, with TLS or without: for what a client says of certificates."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

__all__ = ["listening"]


def _answer(connection: socket.socket, answer: bytes) -> None:
    with connection:
        if isinstance(connection, ssl.SSLSocket):
            try:
                connection.do_handshake()
            except ssl.SSLError:  # read on: closing with something unread would reset what the alert is in
                while socket.socket.recv(connection, 4096):
                    pass
                return
        connection.recv(4096)
        connection.sendall(answer)


@contextmanager
def listening(context: ssl.SSLContext | None, answer: bytes) -> Iterator[int]:
    """A port that reads and answers the same to everyone; with TLS if there is a context."""

    def serve(listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with suppress(OSError), connection:
                connection.settimeout(5)
                if context is not None:
                    connection = context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
                _answer(connection, answer)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
