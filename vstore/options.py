"""Options of ``connect`` for each database, so that an editor completes them and a type checker knows them.

Generated from the adapters by tools/options.py: do not edit.
"""

from __future__ import annotations

from typing import TypedDict

__all__ = ["ChromaOptions", "MilvusOptions", "PgvectorOptions", "QdrantOptions"]


class ChromaOptions(TypedDict, total=False):
    """Options of ``connect`` for Chroma."""

    tenant: str
    """The tenant, which must exist. Default 'default_tenant'."""
    database: str
    """The database of that tenant, which must exist. Default 'default_database'."""
    token: str
    """An API token, sent as X-Chroma-Token and as Authorization: Bearer."""
    headers: str
    """More HTTP headers, as a JSON object of strings."""


class MilvusOptions(TypedDict, total=False):
    """Options of ``connect`` for Milvus."""

    database: str
    """The database, which must exist; by default Milvus's own default."""
    token: str
    """An API key, or user:password in one."""


class PgvectorOptions(TypedDict, total=False):
    """Options of ``connect`` for PostgreSQL with pgvector."""

    schema: str
    """PostgreSQL schema that holds the collections. Default 'vstore'."""
    pool_size: int
    """Most connections open at once. Default 8."""
    prepare: bool
    """Whether sessions keep prepared statements and settings; never behind a pooler. Default True."""
    metadata_index: bool
    """Whether new collections index their metadata (GIN). Default True."""
    build_memory: str
    """Memory for building an index, such as 2GB (maintenance_work_mem); empty: the server's."""
    build_workers: int
    """Processes beside its own that build an index (max_parallel_maintenance_workers); -1: the server's. Default -1."""
    host: str
    """A host, several with commas between, or the directory of a Unix socket."""
    hostaddr: str
    """The host's address, to look none up."""
    port: str
    """The port, or one for each of several hosts."""
    user: str
    """The user, if not before the host."""
    password: str
    """The password, if not before the host."""
    dbname: str
    """The database, if not after the host."""
    passfile: str
    """File with passwords, in place of ~/.pgpass."""
    service: str
    """Name of a service in pg_service.conf."""
    application_name: str
    """What the server's lists show; vstore where it is not given."""
    connect_timeout: str
    """Seconds to wait for a connection, up to timeout."""
    options: str
    """What the server's session begins with, such as -c geqo=off."""
    target_session_attrs: str
    """Which of several hosts: any, read-write, read-only, primary, standby, …"""
    load_balance_hosts: str
    """Random or disable."""
    sslmode: str
    """Disable, allow, prefer, require, verify-ca or verify-full."""
    sslrootcert: str
    """File with the certificate authorities, or 'system'."""
    sslcert: str
    """File with the client's certificate."""
    sslkey: str
    """File with the client's key."""
    sslpassword: str
    """The password of the client's key."""
    sslcrl: str
    """File with revoked certificates."""
    sslsni: str
    """1 or 0: whether the server is told which host is meant."""
    sslnegotiation: str
    """Postgres or direct."""
    ssl_min_protocol_version: str
    """TLSv1.2 or TLSv1.3."""
    channel_binding: str
    """Disable, prefer or require."""
    require_auth: str
    """The ways of authentication that are accepted."""
    gssencmode: str
    """Disable, prefer or require."""


class QdrantOptions(TypedDict, total=False):
    """Options of ``connect`` for Qdrant."""

    api_key: str
    """The API key or token of the server."""
    prefer_grpc: bool
    """GRPC instead of REST for reading and writing records. Default False."""
    grpc_port: int
    """The server's gRPC port. Default 6334."""
