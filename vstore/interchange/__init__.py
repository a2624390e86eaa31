"""``Records`` to and from Arrow, Parquet, Polars, Hugging Face datasets and pandas.

In Arrow and Parquet a record is ``id`` (string), ``vector`` (fixed-size list of float32), ``document``
(string, null for None) and ``metadata`` (JSON text with every type kept, see ``vstore.spi.codec``); a column
that the records do not have is not in the table. A named field is a column of its name, see
``vstore.interchange.fields``. Polars and datasets hold the same columns. Vectors are shared, not copied, wherever they
lie in one piece, and are then read-only.
"""

from vstore.interchange.arrow import from_arrow, from_parquet, parquet_settings, to_arrow, to_parquet
from vstore.interchange.fields import as_lists, load
from vstore.interchange.frames import from_datasets, from_pandas, from_polars, to_datasets, to_pandas, to_polars

__all__ = [
    "as_lists",
    "from_arrow",
    "from_datasets",
    "from_pandas",
    "from_parquet",
    "from_polars",
    "load",
    "parquet_settings",
    "to_arrow",
    "to_datasets",
    "to_pandas",
    "to_parquet",
    "to_polars",
]
