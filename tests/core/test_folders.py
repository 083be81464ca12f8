"""Folders as people have them are planned as expected, or refused with a way out that works."""

from collections import Counter
from pathlib import Path
from unicodedata import normalize

import pytest

from core.common.errors import DataError
from core.data.assign import SplitOptions, held_out_count
from core.data.sources import parse_location
from core.data.split import DataPlan, plan_data
from tests.folders import CASES, Case, Given, follow


def plan(given: Given) -> DataPlan:
    values = dict(text.split("=", 1) for text in given.settings)
    options = SplitOptions(
        0.2,
        seed=1,
        test_fraction=float(values.get("data.test_fraction", 0)),
        group=values.get("data.group"),
        near_duplicates=values.get("data.near_duplicates", "group"),
    )
    found = plan_data(parse_location(given.data), options, use_cache=False)
    assert found is not None
    return found


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_folder_is_planned_or_refused_with_a_way_out(case: Case, tmp_path: Path) -> None:
    given = case.make(tmp_path)
    if case.refusal:
        with pytest.raises(DataError) as caught:
            plan(given)
        message = str(caught.value)
        assert case.refusal in message
        given = follow(message, given)
    found = plan(given)
    assert len(found.all) == case.images
    assert {normalize("NFC", name) for name in found.classes} == set(case.classes)
    splits = {image.split for image in found.all}
    for label, number in Counter(image.label for image in found.all).items():
        counts = Counter(image.split for image in found.all if image.label == label)
        assert set(counts) == splits
        if not found.groups and found.all[0].path.split("/")[0] in found.classes:
            assert abs(counts["val"] - held_out_count(number, 0.2)) <= 1
