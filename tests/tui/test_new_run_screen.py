from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, Select, Static

from tests.tui.kit import Starter, make_app, settle
from tui.app import Exit
from tui.screens.new_run import NewRunScreen
from tui.screens.run import RunScreen


async def fill(pilot: Pilot[Exit], **fields: str) -> None:
    await pilot.pause()
    for id, value in fields.items():
        pilot.app.screen.query_one(f"#{id.replace('_', '-')}", Input).value = value
    await pilot.pause()


async def start(pilot: Pilot[Exit], key: str = "f5") -> None:
    await pilot.press(key)
    await pilot.app.workers.wait_for_complete()
    await settle(pilot)


def hint(pilot: Pilot[Exit], id: str) -> str:
    return str(pilot.app.screen.query_one(f"#{id}-hint", Static).render())


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for name in ("cats", "dogs"):
        folder = tmp_path / "photos" / name
        folder.mkdir(parents=True)
        for number in range(4):
            (folder / f"{number}.png").write_bytes(b"x")
    return tmp_path / "photos"


async def test_a_filled_form_starts_a_run(photos: Path, starter: Starter) -> None:
    app = make_app(starter=starter)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("n")
        await fill(
            pilot,
            data_root=str(photos),
            name="pets [x]",
            data_batch_size="8",
            phases_head_epochs="2",
            more="seed=7 model.pretrained=false",
        )
        await start(pilot, "enter")
        assert isinstance(app.screen, RunScreen)
        assert app.training
    [config] = starter.configs
    assert config.data.root == str(photos)
    assert (config.name, config.data.batch_size, config.seed) == ("pets [x]", 8, 7)
    assert (config.phases.head.epochs, config.phases.full.epochs) == (2, 10)
    assert config.model.pretrained is False


async def test_an_error_is_shown_next_to_its_field(photos: Path, starter: Starter) -> None:
    app = make_app(starter=starter)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("n")
        await fill(pilot, data_root=str(photos))
        for field, value, message in (
            ("data_batch_size", "many", "is 'many'; expected a whole number"),
            ("phases_head_epochs", "-1", "is -1; expected a whole number from 0"),
            ("device", "gpu", "is 'gpu'; expected auto or cpu or cuda or mps"),
            ("data_augment_preset", "more", "is 'more'; expected custom or none or light or"),
            ("more", "data.augment.auto_augment=rand-mX", "from 0 to 30 instead of 'mX'"),
            ("more", "data.batchsize=3", "did you mean 'data.batch_size'"),
            ("more", "'open", "no closing quotation"),
            ("more", "nonsense", "is not KEY=VALUE"),
        ):
            await fill(pilot, **{field: value})
            await start(pilot)
            assert isinstance(app.screen, NewRunScreen)
            assert message in hint(pilot, field.replace("_", "-"))
            await fill(pilot, **{field: ""})
            assert message not in hint(pilot, field.replace("_", "-"))
    assert starter.configs == []


async def test_the_data_folder_is_required_and_checked_while_typing(
    tmp_path: Path, photos: Path, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tui.screens.new_run._TYPING_PAUSE", 0.001)
    app = make_app(starter=starter)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("n")
        await start(pilot)
        assert hint(pilot, "data-root") == "an image folder is required"
        for folder, message in (
            (tmp_path / "no[t]here", "no[t]here"),
            ("memory://nowhere", "memory://nowhere: no such folder"),
            ("sftp://me:word@host/photos", "must not contain a password"),
            (photos, "✓ class folders"),
        ):
            await fill(pilot, data_root=str(folder))
            for _ in range(100):
                await pilot.pause(0.002)
                if message in hint(pilot, "data-root"):
                    break
            assert message in hint(pilot, "data-root")
        await fill(pilot, data_root=str(tmp_path / "nothing"))
        await start(pilot)
        assert isinstance(app.screen, NewRunScreen)
    assert starter.configs == []


async def test_values_are_validated_while_typing(
    starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tui.screens.new_run._TYPING_PAUSE", 0.001)
    app = make_app(starter=starter)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("n")
        default_hint = hint(pilot, "data-batch-size")
        for value, message in (("many", "whole number"), ("32", default_hint)):
            await fill(pilot, data_batch_size=value)
            for _ in range(100):
                await pilot.pause(0.002)
                if message in hint(pilot, "data-batch-size"):
                    break
            assert message in hint(pilot, "data-batch-size")
        assert isinstance(app.screen, NewRunScreen)
    assert starter.configs == []


@pytest.mark.parametrize("how", ["f2", "click"])
@pytest.mark.usefixtures("demo")
async def test_the_demo_needs_no_folder(starter: Starter, how: str) -> None:
    app = make_app(starter=starter)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("n")
        await fill(pilot, phases_head_epochs="1")
        if how == "click":
            await pilot.click("#demo")
            await start(pilot, "f12")
        else:
            await start(pilot, how)
        assert isinstance(app.screen, RunScreen)
    [config] = starter.configs
    assert config.phases.head.epochs == 1
    assert Path(config.data.root or "").name == "the demo"


async def test_a_preset_shows_its_comment_and_values(starter: Starter) -> None:
    async with make_app(starter=starter).run_test(size=(80, 24)) as pilot:
        await pilot.press("n")
        await pilot.pause()
        pilot.app.screen.query_one("#preset", Select).value = "animals20"
        await pilot.pause()
        comment = str(pilot.app.screen.query_one("#preset-comment", Static).render())
        assert comment.startswith("The notebook that this program started from")
        assert pilot.app.screen.query_one("#data-batch-size", Input).placeholder == "32"


@pytest.mark.parametrize("error", [OSError(28, "No space left"), ValueError("[x] not possible")])
async def test_a_failed_start_shows_the_reason(
    photos: Path, starter: Starter, error: Exception
) -> None:
    starter.error = error
    app = make_app(starter=starter)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("n")
        await fill(pilot, data_root=str(photos))
        await start(pilot)
        assert isinstance(app.screen, NewRunScreen)
        assert str(error) in str(app.screen.query_one("#start-message", Static).render())


async def test_escape_cancels_the_form(starter: Starter) -> None:
    app = make_app(starter=starter)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("n", "escape")
        await pilot.pause()
        assert not isinstance(app.screen, NewRunScreen)
    assert starter.configs == []
