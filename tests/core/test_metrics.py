"""Running metrics: the sums don't depend on how many logits are pending."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from core.training import metrics
from core.training.metrics import RunningMetrics, cross_entropy


def batches(sizes: list[int], classes: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    generator = torch.Generator().manual_seed(sum(sizes) + classes)
    return [
        (
            torch.randn(size, classes, generator=generator),
            torch.randint(0, classes, (size,), generator=generator),
        )
        for size in sizes
    ]


@given(
    st.lists(st.integers(1, 9), max_size=8),
    st.integers(2, 12),
    st.sampled_from([0, 50, 1 << 22]),
    st.lists(st.booleans(), min_size=8, max_size=8),
)
def test_means_are_over_all_images(
    sizes: list[int], classes: int, room: int, looks: list[bool]
) -> None:
    found, known = RunningMetrics(), RunningMetrics()
    passed = batches(sizes, classes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(metrics, "MAX_PENDING_LOGITS", room)
        for (logits, labels), look in zip(passed, looks, strict=False):
            loss = cross_entropy(logits, labels)
            found.add(loss, logits, labels)
            known.add_batch(loss.item(), logits, labels)
            if look:
                found.result()
        for result in (found.result(), known.result()):
            assert result.count == sum(sizes)
            if not sizes:
                assert math.isnan(result.loss)
                continue
            logits, labels = (torch.cat(parts) for parts in zip(*passed, strict=True))
            places = logits.argsort(dim=1, descending=True)
            right = places == labels[:, None]
            assert result.loss == pytest.approx(cross_entropy(logits, labels).item(), rel=1e-5)
            assert result.top1 == pytest.approx(right[:, 0].float().mean().item())
            assert result.top5 == pytest.approx(right[:, :5].any(dim=1).float().mean().item())
    assert found.sums == pytest.approx(known.sums)


def test_restored_sums_continue(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = batches([5, 3], 4)
    whole, resumed = RunningMetrics(), RunningMetrics()
    for logits, labels in (first, second):
        whole.add_batch(1.5, logits, labels)
    begun = RunningMetrics()
    begun.add_batch(1.5, *first)
    resumed.sums = begun.sums
    resumed.add_batch(1.5, *second)
    assert resumed.result() == whole.result()
