from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tui.text.elide import elided


@given(st.text(max_size=30), st.integers(0, 30))
def test_a_shortened_name_fits_and_a_short_one_is_unchanged(text: str, cells: int) -> None:
    shown = elided(text, cells)
    assert cell_len(shown) <= cells
    assert (shown == text) == (cell_len(text) <= cells)


def test_both_ends_of_a_name_remain() -> None:
    names = ["American Staffordshire terrier", "American Staffordshire bull"]
    assert [elided(name, 17) for name in names] == ["American…terrier", "American…ire bull"]
    assert elided("山山山山山", 7) == "山山…山"
