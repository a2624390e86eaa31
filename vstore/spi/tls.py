"""What goes wrong with TLS, as the same errors whatever the client: no retry can help. Pure."""

from __future__ import annotations

from typing import Final

from vstore.errors import AuthenticationFailed, Unavailable, VStoreError

__all__ = ["about_tls"]

# in the words of OpenSSL and of gRPC's BoringSSL
_UNTRUSTED: Final = ("CERTIFICATE_VERIFY_FAILED", "is not in peer certificate")
_WANTED: Final = ("ALERT_CERTIFICATE_REQUIRED", "alert certificate required")
# h11, of an answer that begins with no letter, as an alert of TLS does
_NO_HTTP: Final = "illegal request line"


def about_tls(said: str, shown: str, *, scheme: str, authorities: str) -> VStoreError | None:
    """Return the contract's error for what a client says of a connection; None where that is not about TLS.

    Args:
        said: Everything that it says; only of the connection, since a server may answer any text.
        shown: What of it the error is to quote.
        scheme: The backend's scheme, such as ``"chroma"``.
        authorities: Where the client finds the authorities that it trusts.
    """
    if any(words in said for words in _UNTRUSTED):
        return AuthenticationFailed(
            f"the server's certificate is not trusted: {shown}",
            hint=f"Check the host name, and name the file with the certificate's authority in {authorities}.",
        )
    if any(words in said for words in _WANTED):
        return AuthenticationFailed(
            f"the server asks for a client's certificate: {shown}",
            hint="Connect with a client of your own that has one: connect(client=…).",
        )
    if "WRONG_VERSION_NUMBER" in said:
        return Unavailable(
            f"there is no TLS at this port: {shown}", hint=f"Write {scheme}://host:port.", retryable=False
        )
    if _NO_HTTP in said:
        return Unavailable(
            "the server does not speak plain HTTP at this port",
            hint=f"Write {scheme}+https://host:port.",
            retryable=False,
        )
    return None
