"""From a URL and options to what a client of Qdrant needs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

from vstore.errors import InvalidInput
from vstore.spi.durable import located
from vstore.spi.protocol import Settings
from vstore.spi.urls import Option, StoreURL

__all__ = ["OPTIONS", "Target", "read_target"]

DEFAULT_PORT: Final = 6333
DEFAULT_GRPC_PORT: Final = 6334

OPTIONS: Final[dict[str, Option]] = {
    "api_key": Option("", "the API key or token of the server", secret=True),
    "prefer_grpc": Option(False, "gRPC instead of REST for reading and writing records"),
    "grpc_port": Option(DEFAULT_GRPC_PORT, "the server's gRPC port"),
}


@dataclass(frozen=True, slots=True)
class Target:
    """Where to connect.

    Attributes:
        kind: ``"memory"``, ``"directory"`` or ``"server"``.
        path: For a directory its absolute path, symbolic links resolved.
        host: For a server its host.
        port: Its REST port.
        tls: Whether it is reached over TLS.
        prefix: What its paths begin with, behind a proxy.
        grpc_port: Its gRPC port.
        prefer_grpc: Whether records travel over gRPC.
        api_key: The API key, or empty.
    """

    kind: Literal["memory", "directory", "server"]
    path: str = ""
    host: str = ""
    port: int = DEFAULT_PORT
    tls: bool = False
    prefix: str = ""
    grpc_port: int = DEFAULT_GRPC_PORT
    prefer_grpc: bool = False
    api_key: str = field(default="", repr=False)


def read_target(url: StoreURL, settings: Settings) -> Target:
    """Return what a URL asks for.

    Raises:
        InvalidInput: An empty path, a user or password, or an option that has no meaning there.
    """
    options = settings.options
    if url.path is not None:
        for name, option in OPTIONS.items():
            if options[name] != option.default:
                raise InvalidInput(f"{name}= is for a server", hint="Write qdrant://host:port.")
        if url.path == ":memory:":
            return Target("memory")
        if not url.path:
            raise InvalidInput("qdrant: names no directory", hint="Write qdrant:./data or qdrant::memory:.")
        # one spelling of one directory: stores on it share what is open
        return Target("directory", path=str(located(url.path)))
    if url.user or url.password:
        raise InvalidInput("Qdrant has no user and password", hint="Pass api_key=.")
    return Target(
        "server",
        host=url.host,
        port=url.port or (443 if url.tls else DEFAULT_PORT),
        tls=url.tls,
        prefix=url.database,
        grpc_port=int(options["grpc_port"]),
        prefer_grpc=bool(options["prefer_grpc"]),
        api_key=str(options["api_key"]),
    )
