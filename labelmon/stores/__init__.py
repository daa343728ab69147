"""Label stores, read-only: engines, dialect differences, and the statements that count in them."""

from labelmon.stores.engine import Reader, Store, open_store
from labelmon.stores.series import Series, Span
from labelmon.stores.statements import earliest_statement, statement

__all__ = ["Reader", "Series", "Span", "Store", "earliest_statement", "open_store", "statement"]
