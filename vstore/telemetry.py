"""OpenTelemetry: a span and a duration for each call on a store, by the semantic conventions for database clients.

``instrument()`` switches it on, for the stores that are there and those to come. A span and a metric hold the
database, the collection, the operation, numbers of records and the kind of an error: no text, vector, id, filter or
secret. The package ``opentelemetry-api`` is imported here and nowhere else.
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from vstore import optional
from vstore.core.observing import ServerAddress, observe
from vstore.errors import VStoreError

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

__all__ = ["VStoreInstrumentor", "instrument", "uninstrument"]

# https://opentelemetry.io/docs/specs/semconv/db/database-metrics/ gives these bounds
_SECONDS: Final = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0)
_ROWS: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000)


def instrument(*, tracer_provider: TracerProvider | None = None, meter_provider: MeterProvider | None = None) -> None:
    """Observe every call on every store of this process.

    Args:
        tracer_provider: Makes the spans; by default the global one of OpenTelemetry.
        meter_provider: Makes the metrics; by default the global one.

    Raises:
        Unsupported: ``opentelemetry-api`` is not installed; the extra ``otel`` brings it.
    """
    observe(_OpenTelemetry(tracer_provider, meter_provider))


def uninstrument() -> None:
    """End what ``instrument`` began; calls that run are still observed to their end."""
    observe(None)


class VStoreInstrumentor:
    """What the command ``opentelemetry-instrument`` finds by the entry point ``opentelemetry_instrumentor``."""

    def instrument(
        self,
        *,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        skip_dep_check: bool = False,
    ) -> None:
        """See ``instrument``; there is no dependency to check."""
        instrument(tracer_provider=tracer_provider, meter_provider=meter_provider)

    def uninstrument(self) -> None:
        """See ``uninstrument``."""
        uninstrument()


class _OpenTelemetry:
    """Implements ``Observer``."""

    def __init__(self, tracer_provider: TracerProvider | None, meter_provider: MeterProvider | None) -> None:
        from importlib.metadata import version

        number = version("vstore-db")
        self.trace = optional.load("opentelemetry.trace", "otel")
        self.context = optional.load("opentelemetry.context", "otel")
        metrics = optional.load("opentelemetry.metrics", "otel")
        self.tracer = self.trace.get_tracer("vstore", number, tracer_provider)
        meter = metrics.get_meter("vstore", number, meter_provider)
        self.duration = meter.create_histogram(
            "db.client.operation.duration",
            unit="s",
            description="Duration of database client operations.",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        self.rows = meter.create_histogram(
            "db.client.response.returned_rows",
            unit="{row}",
            description="The actual number of records returned by the database operation.",
            explicit_bucket_boundaries_advisory=_ROWS,
        )

    def begin(self, server: ServerAddress, operation: str, collection: str) -> _Call:
        """See ``Observer``."""
        given = {
            "db.system.name": server.system,
            "db.namespace": server.namespace,
            "db.collection.name": collection,
            "db.operation.name": operation,
            "server.address": server.address,
            "server.port": server.port,
        }
        return _Call(self, operation, collection, {name: value for name, value in given.items() if value})


class _Call:
    """Implements ``Observed``."""

    __slots__ = ("_attributes", "_span", "_started", "_telemetry", "_token", "batch", "rows")

    def __init__(self, telemetry: _OpenTelemetry, operation: str, collection: str, attributes: dict[str, Any]) -> None:
        self.batch: int | None = None
        self.rows: int | None = None
        self._telemetry = telemetry
        self._attributes = attributes
        trace = telemetry.trace
        name = f"{operation} {collection}" if collection else operation
        self._span = telemetry.tracer.start_span(name, kind=trace.SpanKind.CLIENT, attributes=attributes)
        self._token = telemetry.context.attach(trace.set_span_in_context(self._span))
        self._started = perf_counter()

    def end(self, error: BaseException | None) -> None:
        """See ``Observed``."""
        seconds = perf_counter() - self._started
        telemetry, span, attributes = self._telemetry, self._span, self._attributes
        telemetry.context.detach(self._token)
        if error is not None:
            # the message, which a status may have, can repeat ids
            attributes["error.type"] = _kind(type(error))
            span.set_attribute("error.type", attributes["error.type"])
            span.set_status(telemetry.trace.StatusCode.ERROR)
        if self.batch is not None and self.batch > 1:  # of one it is no batch, says the convention
            span.set_attribute("db.operation.batch.size", self.batch)
        if self.rows is not None:
            span.set_attribute("db.response.returned_rows", self.rows)
            telemetry.rows.record(self.rows, attributes)
        telemetry.duration.record(seconds, attributes)
        span.end()


def _kind(kind: type[BaseException]) -> str:
    """Return the name of an error as users import it."""
    return f"vstore.{kind.__name__}" if issubclass(kind, VStoreError) else f"{kind.__module__}.{kind.__qualname__}"
