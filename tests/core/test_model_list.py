"""The list of models is that of timm, read in a process of its own and cached."""

import pytest
import timm

from core.forecast import model_list
from core.forecast.model_list import ListedModel, ListedModels, ModelList
from core.forecast.model_list_probe import list_models
from core.forecast.model_probe import on_meta
from core.model.build import count_parameters


def test_the_list_agrees_with_timm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Checks the two smallest architectures, as building all takes long."""
    monkeypatch.setattr("core.forecast.model_list_probe._FAMILY", ["convnextv2_atto*", "*zepto*"])
    listed = list_models()
    names = timm.list_models(["convnextv2_atto*", "*zepto*"], pretrained=True)
    assert sorted(model.name for model in listed) == sorted(names)
    assert [m.parameters for m in listed] == sorted(m.parameters for m in listed)
    for model in listed:
        built = timm.create_model(model.name, num_classes=1)
        assert model.parameters == count_parameters(built.parameters()), model.name
        assert model.hub_id == f"timm/{model.name}"


@pytest.mark.slow
@pytest.mark.usefixtures("forked_interpreter")
async def test_a_process_lists_all_models() -> None:
    """Each architecture is built once: no weights of one change its size."""
    listed = (await model_list._probe()).models
    assert len(listed) == len(timm.list_models("convnext*", pretrained=True)) > 50
    for model in listed:
        assert model.parameters == count_parameters(on_meta(model.name).parameters()), model.name


async def test_all_readers_wait_for_one_process_and_a_failure_is_retried(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    results = [ListedModels(problem="no memory"), ListedModels((ListedModel("tiny", 7),))]
    started = []

    async def probe() -> ListedModels:
        started.append(1)
        return results[len(started) - 1]

    monkeypatch.setattr(model_list, "_probe", probe)
    monkeypatch.setattr(model_list, "version", lambda name: "of this test")
    models = ModelList()
    assert (await models.read()).problem == "no memory"
    assert await models.read() == await models.read() == results[1]
    assert await ModelList().read() == results[1]  # from the cache
    assert len(started) == 2


@pytest.mark.parametrize(
    ("raised", "output", "reason"),
    [
        (TimeoutError(), b"", "no result after"),
        (OSError(12, "Cannot allocate memory"), b"", "annot allocate memory"),
        (None, b"Traceback", "the process that reads it failed"),
        (None, b"[1]", "the process that reads it failed"),
    ],
)
async def test_a_failed_process_is_reported(
    monkeypatch: pytest.MonkeyPatch, raised: Exception | None, output: bytes, reason: str
) -> None:
    async def run(*arguments: str, seconds: float) -> tuple[int, bytes, bytes]:
        if raised:
            raise raised
        return 1, output, b""

    monkeypatch.setattr(model_list, "run_module", run)
    assert reason in (await model_list._probe()).problem
