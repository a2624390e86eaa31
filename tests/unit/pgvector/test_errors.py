"""SQLSTATE to the contract's errors."""

from __future__ import annotations

import psycopg
import psycopg_pool
import pytest
from psycopg import errors as pg

from vstore import errors
from vstore_pgvector.errors import ServerSilent, connection_lost, translate

TABLE = [
    (pg.InvalidPassword, errors.AuthenticationFailed, False),
    (pg.InvalidAuthorizationSpecification, errors.AuthenticationFailed, False),
    (pg.InsufficientPrivilege, errors.AuthenticationFailed, False),
    (pg.ReadOnlySqlTransaction, errors.AuthenticationFailed, False),
    (pg.InvalidCatalogName, errors.Unavailable, False),
    (pg.QueryCanceled, errors.Timeout, True),
    (pg.LockNotAvailable, errors.Timeout, True),
    (pg.TooManyConnections, errors.Unavailable, True),
    (pg.DiskFull, errors.Unavailable, True),
    (pg.ConnectionFailure, errors.Unavailable, True),
    (pg.AdminShutdown, errors.Unavailable, True),
    (pg.CrashShutdown, errors.Unavailable, True),
    (pg.CannotConnectNow, errors.Unavailable, True),
    (pg.DeadlockDetected, errors.Unavailable, True),
    (pg.SerializationFailure, errors.Unavailable, True),
    (pg.UndefinedTable, errors.NotFound, False),
    (pg.ProgramLimitExceeded, errors.LimitExceeded, False),
    (pg.IoError, errors.BackendError, False),
    (pg.DivisionByZero, errors.BackendError, False),
    (pg.SyntaxError, errors.BackendError, False),
]


@pytest.mark.parametrize(("raised", "kind", "retryable"), TABLE)
def test_states(raised: type[psycopg.Error], kind: type[errors.VStoreError], retryable: bool) -> None:
    found = translate(raised("text"))
    assert type(found) is kind
    assert found.retryable is retryable


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (psycopg.OperationalError('FATAL:  password authentication failed for user "u"'), errors.AuthenticationFailed),
        (psycopg.OperationalError("fe_sendauth: no password supplied"), errors.AuthenticationFailed),
        (psycopg.OperationalError("FATAL:  no pg_hba.conf entry for host"), errors.AuthenticationFailed),
        (psycopg.OperationalError('FATAL:  role "u" does not exist'), errors.AuthenticationFailed),
        (psycopg.OperationalError('FATAL:  database "d" does not exist'), errors.Unavailable),
        (psycopg.OperationalError("connection refused"), errors.Unavailable),
        (psycopg.InterfaceError("the connection is closed"), errors.Unavailable),
        (psycopg.errors.ConnectionTimeout("connection timeout expired"), errors.Timeout),
        (psycopg_pool.PoolTimeout("no"), errors.Unavailable),
        (psycopg_pool.PoolClosed("no"), errors.Closed),
        (ServerSilent("no"), errors.Timeout),
        (psycopg.InternalError("no"), errors.BackendError),
        (ConnectionResetError("no"), errors.Unavailable),
        (RuntimeError("no"), errors.BackendError),
    ],
)
def test_errors_without_a_state(error: Exception, kind: type[errors.VStoreError]) -> None:
    assert type(translate(error)) is kind


def test_what_is_one_of_ours_stays() -> None:
    ours = errors.NotFound("gone")
    assert translate(ours) is ours


def test_only_a_lost_connection_is_tried_again() -> None:
    assert connection_lost(pg.AdminShutdown("x"))
    assert connection_lost(psycopg.OperationalError("server closed the connection unexpectedly"))
    assert not connection_lost(pg.QueryCanceled("x"))
    assert not connection_lost(pg.DiskFull("x"))
    assert not connection_lost(pg.UndefinedTable("x"))
    assert not connection_lost(ServerSilent("x"))
    assert not connection_lost(psycopg_pool.PoolTimeout("x"))
