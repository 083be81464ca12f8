"""An evaluation as one HTML file that needs nothing beside it: no script, no font, no link."""

import base64
import io
import math
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from pathlib import Path

from core.analysis.class_metrics import ClassRow, Reliability
from core.common.text import printable
from core.events.evaluation_parts import Mistake
from core.inference.evaluation_result import EvaluationResult
from core.inference.image_grid import thumbnail

SIDE, QUALITY = 200, 80
NAMES = {
    "top1": "top-1 accuracy",
    "top5": "top-5 accuracy",
    "macro_f1": "macro F1",
    "ece": "expected calibration error",
    "loss": "loss",
}
_PAIRS = 15
_CHART = 220

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;
color:#18181b;background:#fff}
table{border-collapse:collapse;margin:.5rem 0 1.5rem}
th,td{padding:.2rem .8rem;text-align:right;border-bottom:1px solid #e4e4e7}
th:first-child,td:first-child{text-align:left}
.pictures{display:flex;flex-wrap:wrap;gap:1rem}
figure{margin:0;width:200px}
figure img{display:block;max-width:200px;max-height:200px;background:#e4e4e7}
figcaption{font-size:13px;overflow-wrap:anywhere}
.dim{color:#52525b}
@media(prefers-color-scheme:dark){body{color:#e4e4e7;background:#18181b}
th,td{border-color:#3f3f46}.dim{color:#a1a1aa}}
"""
# Names come from elsewhere: even if one got past the escaping, nothing would be loaded or run.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def html_report(result: EvaluationResult) -> str:
    """Return the page; the pictures of the surest mistakes are read anew and are part of it."""
    title = f"{result.about['run']} on {result.root}"
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        '<meta name="viewport" content="width=device-width">',
        f"<title>{_text(title)}</title><style>{_STYLE}</style></head><body>",
        f"<h1>{_text(title)}</h1>",
        *_facts(result),
        *_figures(result),
        *_mistakes(result),
        *_pairs(result),
        *_classes(result.evaluation.rows),
        *_calibration(result.evaluation.reliability),
        *_unreadable(result),
        "</body></html>",
    ]
    return "\n".join(parts) + "\n"


def _facts(result: EvaluationResult) -> Iterator[str]:
    about = result.about
    count, classes = len(result.labels), len(about["classes"])
    yield (
        f"<p>{count:,} pictures, {classes:,} classes. Model {_text(about['model'])}, weights "
        f'{_text(about["checkpoint"])}, <span class="dim">SHA-256 {_text(about["sha256"])}, '
        f"convnext-tui {_text(about['version'])}</span>.</p>"
    )


def _figures(result: EvaluationResult) -> Iterator[str]:
    head = ["", "value", "95% interval"]
    if result.tta:
        head += [f"with {result.tta.kind}", "difference", "95% interval"]
    rows = []
    for key, name in NAMES.items():
        cells = [name, _number(result.figures[key]), _interval(result.intervals[key])]
        if result.tta:
            tta = result.tta
            difference = f"{tta.differences[key]:+.4f}"
            cells += [_number(tta.figures[key]), difference, _interval(tta.intervals[key])]
        rows.append(cells)
    yield from _table(head, rows)
    yield '<p class="dim">Intervals: percentile bootstrap over pictures, 1,000 draws.</p>'


def _mistakes(result: EvaluationResult) -> Iterator[str]:
    mistakes = result.evaluation.event.mistakes
    if not mistakes:
        return
    yield '<h2>The surest mistakes</h2><div class="pictures">'
    name = result.evaluation.name
    for one in mistakes:
        said = f"{one.confidence:.1%} {name(one.predicted)}, is {name(one.truth)}"
        yield f"<figure>{_picture(one)}<figcaption><strong>{_text(said)}</strong><br>"
        yield f'<span class="dim">{_text(Path(one.path).name)}</span></figcaption></figure>'
    yield "</div>"


def _picture(one: Mistake) -> str:
    image = thumbnail(one.path, SIDE)
    if image is None:
        return "<p>(can't be read any more)</p>"
    data = io.BytesIO()
    image.save(data, format="JPEG", quality=QUALITY)
    inline = base64.b64encode(data.getvalue()).decode("ascii")
    return f'<img alt="" src="data:image/jpeg;base64,{inline}">'


def _pairs(result: EvaluationResult) -> Iterator[str]:
    pairs = result.evaluation.pairs[:_PAIRS]
    if not pairs:
        return
    name = result.evaluation.name
    yield "<h2>Confused most</h2>"
    yield from _table(
        ["class", "taken for", "pictures", "share of the class"],
        [[name(p.truth), name(p.predicted), f"{p.count:,}", f"{p.share:.1%}"] for p in pairs],
    )


def _classes(rows: Sequence[ClassRow]) -> Iterator[str]:
    yield "<h2>Classes</h2>"
    yield from _table(
        ["class", "pictures", "predicted", "precision", "recall", "F1"],
        [
            [
                *(r.name, f"{r.support:,}", f"{r.predicted:,}"),
                *map(_number, (r.precision, r.recall, r.f1)),
            ]
            for r in rows
        ],
    )


def _calibration(bars: Sequence[Reliability]) -> Iterator[str]:
    filled = [bar for bar in bars if bar.count]
    if not filled:
        return
    yield "<h2>Calibration</h2><p>How often predictions were right, by how sure they were; on the"
    yield " diagonal, confidence is what it says.</p>"
    yield f'<svg width="{_CHART}" height="{_CHART}" viewBox="0 0 1 1" role="img">'
    for bar in filled:
        height = max(bar.accuracy, 0.004)
        said = f"{bar.count:,} pictures, {bar.confidence:.1%} sure, {bar.accuracy:.1%} right"
        yield (
            f'<rect x="{bar.low:.4f}" y="{1 - height:.4f}" height="{height:.4f}" '
            f'width="{bar.high - bar.low - 0.004:.4f}" fill="#2a7f62">'
            f"<title>{said}</title></rect>"
        )
    yield '<path d="M0 1L1 0" stroke="#888" stroke-width=".006" stroke-dasharray=".02"/></svg>'


def _unreadable(result: EvaluationResult) -> Iterator[str]:
    if result.unreadable:
        yield f"<h2>Left out</h2><p>{len(result.unreadable):,} pictures can't be read:</p>"
        yield from _table(["picture", "why"], [list(pair) for pair in result.unreadable[:100]])


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield "<table><tr>" + "".join(f"<th>{_text(cell)}</th>" for cell in head) + "</tr>"
    for row in rows:
        yield "<tr>" + "".join(f"<td>{_text(cell)}</td>" for cell in row) + "</tr>"
    yield "</table>"


def _text(value: object) -> str:
    return escape(printable(str(value)))


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.4f}"


def _interval(pair: tuple[float, float]) -> str:
    return f"{pair[0]:.4f} to {pair[1]:.4f}"
