import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.run.query import KEYS, SORTS, Query, QueryError, Sort, parse, sorted_by
from core.run.summary import RunSummary

NOW = datetime(2026, 11, 24, 14, 0).timestamp()


def row(id: str, **changes: object) -> RunSummary:
    values: dict[str, object] = {
        "path": f"/runs/{id}",
        "name": id,
        "status": "finished",
        "reason": "both phases are done",
        "model": "convnext_tiny",
        "phase": "full",
        "epochs": {"head": 3, "full": 2},
        "best_val_top1": 0.9,
        "best_val_loss": 0.3,
        "started": NOW - 3600,
        "seconds": 600.0,
    }
    return RunSummary(id=id, **{**values, **changes})  # type: ignore[arg-type]


BIRDS = row(
    "20261124-130000-birds",
    name="big birds",
    tags=["baseline", "small"],
    starred=True,
    config={"data.batch_size": "64", "phases.full.lr": "0.0001", "model.weights": "null"},
)
CATS = row(
    "20261123-100000-cats",
    status="failed",
    reason="no space left",
    model="convnext_atto",
    best_val_top1=0.971,
    best_val_loss=0.1,
    started=NOW - 86400 - 3600,
    seconds=5400.0,
    note="twice the batch",
    config={"data.batch_size": "128", "phases.full.lr": "0.001", "device": "cuda"},
)
OLD = row(
    "20261001-090000-old",
    status="interrupted",
    best_val_top1=None,
    best_val_loss=None,
    epochs={},
    started=None,
    seconds=None,
    config={"data.batch_size": "auto"},
)
HIDDEN = row("20260901-000000-hidden", archived=True)
ALL = [BIRDS, CATS, OLD, HIDDEN]


def found(text: str) -> list[str]:
    return [run.id.rsplit("-", 1)[1] for run in parse(text, NOW).apply(ALL)]


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("", "birds cats old"),
        ("birds", "birds"),
        ("BASE", "birds"),
        ("-birds", "cats old"),
        ('"big birds"', "birds"),
        ('-"big birds"', "cats old"),
        ("status:finished", "birds"),
        ("status:fin", "birds"),
        ("status=fin", ""),
        ("-status:finished", "cats old"),
        ("name:'big birds'", "birds"),
        ("model:atto", "cats"),
        ("tag:small", "birds"),
        ("tag=smal", ""),
        ("note:batch", "cats"),
        ("reason:space", "cats"),
        ("phase:full model:tiny", "birds old"),
        ("top1>0.95", "cats"),
        ("top1>95%", "cats"),
        ("top1>=97.1%", "cats"),
        ("top1=97%", "cats"),
        ("top1=97.0%", ""),
        ("top1<0.95", "birds"),
        ("loss<=.1", "cats"),
        ("epochs=5", "birds cats"),
        ("epochs:0", "old"),
        ("time>=1h30m", "cats"),
        ("time<1:30:00", "birds"),
        ("time:10m", "birds"),
        ("time=600", "birds"),
        ("started:today", "birds"),
        ("started:yesterday", "cats"),
        ("started>=2026-11-23", "birds cats"),
        ("started>2026-11-23", "birds"),
        ("started<1d", ""),
        ("started:1d", "cats"),
        ("started:2026-11-24T13:00", "birds"),
        ("is:starred", "birds"),
        ("is:live", ""),
        ("is:over", "birds cats old"),
        ("is:tagged", "birds"),
        ("is:noted", "cats"),
        ("is:failed", "cats"),
        ("is:archived", "hidden"),
        ("is:any", "birds cats old hidden"),
        ("-is:archived", "birds cats old"),
        ("data.batch_size=64", "birds"),
        ("batch_size>64", "cats"),
        ("batch_size:auto", "old"),
        ("phases.full.lr<1e-3", "birds"),
        ("phases.full.lr=1e-3", "cats"),
        ("device:cuda", "cats"),
        ("model.weights=null", "birds"),
        ("sort:top1", "birds cats old"),
        ("sort:-top1", "cats birds old"),
        ("sort:name", "old cats birds"),
        ("sort:batch_size", "birds cats old"),
        ("sort:-started", "birds cats old"),
        ("sort:status sort:-loss", "cats birds old"),
    ],
)
def test_a_query_finds_the_matching_runs(text: str, ids: str) -> None:
    assert " ".join(found(text)) == ids


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("colour:red", "colour:red: unknown key 'colour'; known are status"),
        ("statu:finished", "did you mean status?"),
        ("data.batchsize=3", "did you mean data.batch_size?"),
        ("lr<1", "which one: phases.head.lr, phases.full.lr?"),
        ("top1>95", "top1>95: top1 takes a fraction from 0 to 1 or a percentage"),
        ("top1>high", "such as 0.95 or 95%"),
        ("loss<small", "loss takes a number"),
        ("time>soon", "such as 90 (seconds), 5m, 1h30m or 1:30:00"),
        ("started:monday", "such as 2026-11-24"),
        ("status>3", "expected : (contains) or = (is)"),
        ("is:nice", "expected is: with one of starred, archived"),
        ("sort<top1", "expected sort:KEY"),
        ("-sort:top1", "sort:-KEY for the largest first"),
        ("sort:", "sort:: a value is missing after :"),
        ("sort:beauty", "expected sort: with one of started"),
        ('name:"open', 'the quotation mark " is not closed'),
        ("device<cuda", "< compares numbers"),
        ("x\x1b[2J:1", r"x\x1b[2J:1"),
    ],
)
def test_an_error_names_the_term_and_the_expectation(text: str, expected: str) -> None:
    if "\x1b" in text:
        assert parse(text, NOW).apply(ALL) == []  # not a key: a plain word
        return
    with pytest.raises(QueryError) as caught:
        parse(text, NOW)
    assert expected in str(caught.value)
    assert str(caught.value).isprintable()


_TERMS = st.one_of(
    st.text(max_size=12),
    st.builds(
        "{}{}{}{}".format,
        st.sampled_from(["", "-"]),
        st.sampled_from([*KEYS, "data.batch_size", "lr", "seed", "nothing"]),
        st.sampled_from([":", "=", "<", "<=", ">", ">="]),
        st.one_of(
            st.text(max_size=8),
            st.floats().map(str),
            st.integers().map(str),
            st.sampled_from(["1e999", "9" * 5000, "99999d", "0001-01-01", "9999-12-31", "nan%"]),
            st.dates().map(str),
            st.sampled_from(SORTS),
        ),
    ),
)


@given(st.lists(_TERMS, max_size=4).map(" ".join))
def test_any_text_is_a_query_or_a_query_error(text: str) -> None:
    try:
        query = parse(text, NOW)
    except QueryError as error:
        assert "\n" not in str(error)
        return
    kept = query.apply(ALL)
    assert {run.id for run in kept} <= {run.id for run in ALL}
    assert query.apply(kept) == kept


@given(st.lists(_TERMS, max_size=4).map(" ".join), st.sampled_from(SORTS), st.booleans())
def test_a_new_sort_order_replaces_the_old_one(text: str, key: str, down: bool) -> None:
    sort = Sort(key, down)
    once = sorted_by(text, sort)
    assert sorted_by(once, sort) == once
    assert sorted_by(sorted_by(once, None), sort) == once
    try:
        assert parse(once, NOW).sort_orders == (sort,)
    except QueryError:
        return


def test_the_empty_query_hides_archived_runs() -> None:
    assert HIDDEN not in Query().apply(ALL)


@pytest.mark.parametrize("zone", ["UTC", "Asia/Karachi", "America/New_York"])
@pytest.mark.parametrize(
    ("value", "matching"),
    [
        (":2026-11-24T18:00+05:00", "birds"),
        (":2026-11-24T1800+0500", "birds"),
        (":2026-11-24T13:00Z", "birds"),
        (":2026-11-24t13:00z", "birds"),
        (":2026-11-24T08:00-05:00", "birds"),
        (":2026-11-24T13:00+05:00", ""),
        (":2026-11-24T18+05", "birds"),
        (":2026-11-24T13:00:00Z", "birds"),
        (":2026-11-24T13:00:01Z", ""),
        (">=2026-11-24T18:00+05:00", "birds"),
        (">2026-11-24T18:00+05:00", ""),
        (">2026-11-24T17:59+05:00", "birds"),
        ("<=2026-11-24T18:00+05:00", "birds cats"),
        ("<2026-11-24T18:00+05:00", "cats"),
        (":2026-11-24Z", "birds"),
        (":2026-11-25+12:00", "birds"),
        ("<2026-11-25+12:00", "cats"),
        (":2026-11-23-1200", "cats"),
    ],
)
def test_times_with_an_offset_are_the_same_everywhere(
    zone: str, value: str, matching: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        moment = datetime(2026, 11, 24, 13, 0, tzinfo=UTC).timestamp()
        runs = [replace(BIRDS, started=moment), replace(CATS, started=moment - 86400)]
        found = parse(f"started{value}", NOW).apply(runs)
    finally:
        monkeypatch.undo()
        time.tzset()
    assert " ".join(run.id.rsplit("-", 1)[1] for run in found) == matching


def test_local_times_have_the_precision_that_was_typed() -> None:
    for value in ("2026-11-24T13", "2026-11-24T13:00", "2026-11-24T13:00:00"):
        assert parse(f"started={value}", NOW).matches(BIRDS)
    later = replace(BIRDS, started=NOW - 3600 + 90)
    assert parse("started=2026-11-24T13", NOW).matches(later)
    assert not parse("started=2026-11-24T13:00", NOW).matches(later)
    assert not parse("started=2026-11-24T13:01:29", NOW).matches(later)


@pytest.mark.parametrize(
    "value", ["2026-11-24T13:00+99:00", "2026-11-24T25:00Z", "2026-11Z", "z", "+05:00"]
)
def test_invalid_offsets_and_times_are_refused(value: str) -> None:
    with pytest.raises(QueryError, match="such as 2026-11-24"):
        parse(f"started>{value}", NOW)
