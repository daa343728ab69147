"""Items dealt into folds, the same on every engine: the groups that a jackknife leaves out one after the other."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Integer, case, func
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import GenericFunction

from labelmon.check import FOLDS

# Odd and no multiples of 5, so that each character alone already spreads over all folds; ids differ near their end.
_FACTORS = (11, 7, 13, 3, 17, 9, 19, 1, 11, 7, 13, 3)


class CodePoint(GenericFunction[int]):
    """The Unicode code point of a text's first character."""

    type = Integer()
    inherit_cache = True
    name = "unicode"


@compiles(CodePoint, "postgresql")
def _ascii(element: CodePoint, compiler: Any, **options: Any) -> str:
    return f"ascii({compiler.process(element.clauses, **options)})"


def item_fold(item: ColumnElement[str]) -> ColumnElement[int]:
    """The fold of an item, 0 to 19, out of the last twelve characters of its id.

    A digest would be neater, but SQLite has none, and the folds must not depend on the engine.
    """
    length = func.length(item)
    total: ColumnElement[int] = length
    for back, factor in enumerate(_FACTORS):
        code = CodePoint(func.substr(item, length - back, 1))
        total = total + case((length > back, code * factor), else_=0)
    return total % FOLDS
