import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.run.early_stopping import EarlyStopping

losses = st.lists(st.floats(), max_size=30)


def run(stopping: EarlyStopping, losses: list[float]) -> EarlyStopping:
    for loss in losses:
        stopping = stopping.update(loss)
    return stopping


def test_an_epoch_improves_only_below_the_best_by_min_delta() -> None:
    stopping = run(EarlyStopping(patience=2, min_delta=0.1), [1.0, 0.95, 0.8])
    assert (stopping.best, stopping.bad_epochs) == (0.8, 0)
    assert stopping.threshold == pytest.approx(0.7)
    assert run(stopping, [0.75]).bad_epochs == 1


def test_patience_is_exhausted_after_that_many_bad_epochs() -> None:
    stopping = run(EarlyStopping(patience=3, min_delta=0.0), [1.0, 1.0, 1.0])
    assert not stopping.exhausted
    assert stopping.update(1.0).exhausted


def test_nan_never_improves() -> None:
    stopping = run(EarlyStopping(patience=2, min_delta=0.0), [math.nan, math.nan])
    assert stopping.exhausted
    assert stopping.best == math.inf


@pytest.mark.parametrize(("patience", "last"), [(7, 11), (3, 7), (2, 7), (1, 7)])
def test_a_phase_ends_with_the_next_epoch_at_the_earliest(patience: int, last: int) -> None:
    stopping = EarlyStopping(patience=5, min_delta=0.0, best=1.0, bad_epochs=2)
    assert stopping.with_patience(patience).last_epoch(6) == last


def test_a_patience_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="patience is 0"):
        EarlyStopping(patience=3, min_delta=0.0).with_patience(0)


@given(losses, st.integers(1, 10), st.integers(0, 30))
def test_last_epoch_is_where_a_run_without_improvement_ends(
    losses: list[float], patience: int, done: int
) -> None:
    stopping = run(EarlyStopping(patience=patience, min_delta=0.0), losses)
    last = stopping.last_epoch(done)
    epoch = done
    while True:
        epoch += 1
        stopping = stopping.update(math.inf)
        if stopping.exhausted:
            break
    assert epoch == last
