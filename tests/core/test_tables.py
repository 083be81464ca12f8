"""Tables as CSV: the same bytes as those of the standard library."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.common.tables import csv_table

TEXT = st.text(st.characters(exclude_characters="\0"))
CELL = st.none() | st.integers() | st.floats() | st.booleans() | TEXT


@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
@given(rows=st.lists(st.tuples(CELL, CELL), max_size=5))
def test_a_table_is_what_the_standard_library_writes(quoting, rows) -> None:  # type: ignore[no-untyped-def]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n", quoting=quoting)
    writer.writerows([("a", 'b "c"'), *rows])
    assert csv_table(("a", 'b "c"'), rows, quoting) == text.getvalue()
