"""Which parameters of libpq a URL or a keyword may carry, and what they come to. Pure."""

from __future__ import annotations

import math
from typing import Final

from vstore.errors import InvalidInput
from vstore.spi.protocol import Settings
from vstore.spi.urls import Option, StoreURL

__all__ = ["PARAMETERS", "parameters"]

_WHERE: Final = {"user": "user", "password": "password", "dbname": "database"}
PARAMETERS: Final[dict[str, Option]] = {
    "host": Option("", "a host, several with commas between, or the directory of a Unix socket"),
    "hostaddr": Option("", "the host's address, to look none up"),
    "port": Option("", "the port, or one for each of several hosts"),
    "user": Option("", "the user, if not before the host"),
    "password": Option("", "the password, if not before the host", secret=True),
    "dbname": Option("", "the database, if not after the host"),
    "passfile": Option("", "file with passwords, in place of ~/.pgpass"),
    "service": Option("", "name of a service in pg_service.conf"),
    "application_name": Option("", "what the server's lists show; vstore where it is not given"),
    "connect_timeout": Option("", "seconds to wait for a connection, up to timeout"),
    "options": Option("", "what the server's session begins with, such as -c geqo=off"),
    "target_session_attrs": Option("", "which of several hosts: any, read-write, read-only, primary, standby, …"),
    "load_balance_hosts": Option("", "random or disable"),
    "sslmode": Option("", "disable, allow, prefer, require, verify-ca or verify-full"),
    "sslrootcert": Option("", "file with the certificate authorities, or 'system'"),
    "sslcert": Option("", "file with the client's certificate"),
    "sslkey": Option("", "file with the client's key"),
    "sslpassword": Option("", "the password of the client's key", secret=True),
    "sslcrl": Option("", "file with revoked certificates"),
    "sslsni": Option("", "1 or 0: whether the server is told which host is meant"),
    "sslnegotiation": Option("", "postgres or direct"),
    "ssl_min_protocol_version": Option("", "TLSv1.2 or TLSv1.3"),
    "channel_binding": Option("", "disable, prefer or require"),
    "require_auth": Option("", "the ways of authentication that are accepted"),
    "gssencmode": Option("", "disable, prefer or require"),
}
_ALLOWED: Final = {
    "sslmode": ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "target_session_attrs": ("any", "read-write", "read-only", "primary", "standby", "prefer-standby"),
    "load_balance_hosts": ("disable", "random"),
    "sslsni": ("0", "1"),
    "sslnegotiation": ("postgres", "direct"),
    "channel_binding": ("disable", "prefer", "require"),
    "gssencmode": ("disable", "prefer", "require"),
}


def parameters(url: StoreURL | None, settings: Settings) -> dict[str, str | int]:
    """Return the parameters of libpq that a URL and its options mean; none for a directory or a borrowed client.

    Raises:
        InvalidInput: One that does not exist, stands twice or contradicts another, or has nothing to say to.
    """
    given = {name: str(settings.options[name]) for name in PARAMETERS if settings.options[name]}
    for name, allowed in _ALLOWED.items():
        if given.get(name, allowed[0]) not in allowed:
            raise InvalidInput(f"{name} must be one of {', '.join(allowed)}, not {given[name]!r}")
    if url is None:
        return {}
    if url.path is not None:
        if given:
            name = next(iter(given))
            raise InvalidInput(
                f"the option {name!r} says how to reach a server, and an embedded server has no network",
                hint="Leave it out.",
            )
        return {}
    return _network(settings.timeout) | _place(url, given) | _tls(url, given) | _timeout(given, settings.timeout)


def _network(timeout: float) -> dict[str, str | int]:
    """Return keepalives: a network that swallows packets must not hold a call for the kernel's two hours."""
    return {
        "application_name": "vstore",
        "client_encoding": "utf8",
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
        "tcp_user_timeout": math.ceil(timeout * 1000),
    }


def _place(url: StoreURL, given: dict[str, str]) -> dict[str, str | int]:
    """Return where the server is, and everything that is passed on as it was given."""
    port = "" if url.port is None else str(url.port)
    standing = {"host": url.host, "port": port, "user": url.user, "password": url.password, "dbname": url.database}
    found: dict[str, str | int] = dict(given)
    for name, value in standing.items():  # libpq has defaults of its own for what is missing, such as ~/.pgpass
        if value and name in given:
            raise InvalidInput(f"the URL has a {_WHERE.get(name, name)}, and an option {name!r}", hint="Leave one out.")
        if value:
            found[name] = value
    if "service" not in found:
        found.setdefault("port", "5432")
    hosts, ports = str(found.get("host", "")).split(","), str(found.get("port", "")).split(",")
    if len(ports) not in (1, len(hosts)):
        raise InvalidInput(
            f"there are {len(hosts)} hosts and {len(ports)} ports", hint="Name one port, or one for each."
        )
    for one in ports:
        if one and not (one.isascii() and one.isdigit() and 1 <= int(one) <= 65_535):
            raise InvalidInput(f"a port is a number from 1 to 65535, not {one!r}")
    return found


def _tls(url: StoreURL, given: dict[str, str]) -> dict[str, str | int]:
    if not url.tls:
        return {}
    if given.get("sslmode", "verify-full") != "verify-full":
        raise InvalidInput(
            f"+https means sslmode=verify-full; the URL also says {given['sslmode']}", hint="Leave one out."
        )
    if (url.host or given.get("host", "")).startswith(("/", "@")):
        raise InvalidInput("a Unix socket has no TLS, which +https asks for", hint="Leave +https out.")
    return {"sslmode": "verify-full", "sslrootcert": given.get("sslrootcert", "system")}


def _timeout(given: dict[str, str], timeout: float) -> dict[str, str | int]:
    longest = max(2, math.ceil(timeout))  # libpq takes whole seconds, at least 2
    text = given.get("connect_timeout", str(longest))
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise InvalidInput(f"connect_timeout is a whole number of seconds above 0, not {text!r}")
    return {"connect_timeout": min(int(text), longest)}
