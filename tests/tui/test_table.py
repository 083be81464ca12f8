"""Tables that are drawn before the app is idle."""

from rich.text import Text
from textual.app import App, ComposeResult

from tui.widgets.table import MeasuredTable


class TableApp(App[None]):
    def compose(self) -> ComposeResult:
        yield MeasuredTable(cursor_type="none", cell_padding=0)


def drawn(table: MeasuredTable) -> list[str]:
    return [table.render_line(y).text.rstrip() for y in range(table.row_count + 1)]


def filled(table: MeasuredTable, wide: str, narrow: str) -> list[str]:
    table.fill(
        {"a": Text("A"), "b": Text("B")},
        {"one": [Text(wide), Text("|")], "two": [Text(narrow), Text("|")]},
    )
    return drawn(table)


async def test_cells_are_not_truncated_before_and_after_the_app_is_idle() -> None:
    async with TableApp().run_test() as pilot:
        table = pilot.app.query_one(MeasuredTable)
        whole = ["A         B", "convnext猫|", "         x|"]
        for _ in range(2):  # refilled with the same width, Textual would reuse rendered cells
            assert filled(table, "convnext猫", "         x") == whole
            await pilot.pause()
            assert drawn(table) == whole


async def test_a_column_grows_with_a_cell() -> None:
    async with TableApp().run_test() as pilot:
        table = pilot.app.query_one(MeasuredTable)
        filled(table, "wide", "narrow")
        await pilot.pause()
        table.put("one", {"a": Text("wider than it"), "b": Text("|")})
        whole = ["A            B", "wider than it|", "narrow       |"]
        assert drawn(table) == whole
        await pilot.pause()
        assert drawn(table) == whole
        assert table.virtual_size.width == len(whole[1])


async def test_a_table_without_rows_shows_its_header() -> None:
    async with TableApp().run_test() as pilot:
        table = pilot.app.query_one(MeasuredTable)
        table.fill({"a": Text("title")}, {})
        await pilot.pause()
        assert drawn(table) == ["title"]


async def test_a_cell_with_a_new_style_is_redrawn() -> None:
    async with TableApp().run_test() as pilot:
        table = pilot.app.query_one(MeasuredTable)
        filled(table, "wide", "narrow")
        table.put("two", {"a": Text("narrow", "bold")})
        await pilot.pause()
        first = next(segment for segment in table.render_line(2) if segment.text.strip())
        assert first.style
        assert first.style.bold
