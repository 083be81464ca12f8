"""Write an evaluation as a self-contained HTML report: no script, font or external link."""

import base64
import io
import math
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from pathlib import Path

from core.analysis.class_metrics import CalibrationBar, ClassRow
from core.analysis.evaluation_metrics import METRIC_NAMES
from core.common.format import counted
from core.common.text import printable
from core.events.evaluation_parts import Mistake
from core.inference.evaluation_result import RESAMPLES, EvaluationResult
from core.inference.image_grid import thumbnail

THUMBNAIL, JPEG_QUALITY = 200, 80
_PAIRS, _UNREADABLE = 15, 100
_CHART = 220

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;
color:#18181b;background:#fff}
table{border-collapse:collapse;margin:.5rem 0 1.5rem}
th,td{padding:.2rem .8rem;text-align:right;border-bottom:1px solid #e4e4e7}
th:first-child,td:first-child{text-align:left}
.images{display:flex;flex-wrap:wrap;gap:1rem}
figure{margin:0;width:200px}
figure img{display:block;max-width:200px;max-height:200px;background:#e4e4e7}
figcaption{font-size:13px;overflow-wrap:anywhere}
.dim{color:#52525b}
@media(prefers-color-scheme:dark){body{color:#e4e4e7;background:#18181b}
th,td{border-color:#3f3f46}.dim{color:#a1a1aa}}
"""
# File and class names are untrusted: even if one escaped the escaping, nothing would load or run.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def html_report(result: EvaluationResult) -> str:
    """Return the HTML page, with thumbnails of the most confident errors read from their files."""
    title = f"{result.metadata['run']} on {result.root}"
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        '<meta name="viewport" content="width=device-width">',
        f"<title>{_text(title)}</title><style>{_STYLE}</style></head><body>",
        f"<h1>{_text(title)}</h1>",
        *_summary(result),
        *_metrics(result),
        *_errors(result),
        *_pairs(result),
        *_classes(result.evaluation.rows),
        *_calibration(result.evaluation.reliability),
        *_unreadable(result),
        "</body></html>",
    ]
    return "\n".join(parts) + "\n"


def _summary(result: EvaluationResult) -> Iterator[str]:
    metadata = result.metadata
    images = counted(len(result.labels), "image")
    classes = counted(len(metadata["classes"]), "class", "classes")
    yield (
        f"<p>{images}, {classes}. Model {_text(metadata['model'])}, checkpoint "
        f'{_text(metadata["checkpoint"])}, <span class="dim">SHA-256 {_text(metadata["sha256"])}, '
        f"convnext-tui {_text(metadata['version'])}</span>.</p>"
    )
    if result.left_out_text:
        yield f"<p>{_text(result.left_out_text.capitalize())}.</p>"
    if result.values_note:
        yield f"<p>Note: {_text(result.values_note)}.</p>"
    if result.training_note:
        yield f"<p>Note: {_text(result.training_note)}.</p>"


def _metrics(result: EvaluationResult) -> Iterator[str]:
    head = ["", "value", "95% interval"]
    if result.tta:
        head += [f"with {result.tta.kind}", "difference", "95% interval"]
    rows = []
    for key, name in METRIC_NAMES.items():
        cells = [name.long, _number(result.metrics[key]), _interval(result.intervals[key])]
        if result.tta:
            tta = result.tta
            difference = f"{tta.differences[key]:+.4f}"
            cells += [_number(tta.metrics[key]), difference, _interval(tta.intervals[key])]
        rows.append(cells)
    yield from _table(head, rows)
    method = f"percentile bootstrap over images, {RESAMPLES:,} resamples"
    yield f'<p class="dim">95% intervals: {method}.</p>'


def _errors(result: EvaluationResult) -> Iterator[str]:
    errors = result.evaluation.event.mistakes
    if not errors:
        return
    yield '<h2>Most confident errors</h2><div class="images">'
    name = result.evaluation.name
    for error in errors:
        caption = f"{name(error.truth)} predicted as {name(error.predicted)} {error.confidence:.1%}"
        yield f"<figure>{_image(error)}<figcaption><strong>{_text(caption)}</strong><br>"
        yield f'<span class="dim">{_text(Path(error.path).name)}</span></figcaption></figure>'
    yield "</div>"


def _image(error: Mistake) -> str:
    image = thumbnail(error.path, THUMBNAIL)
    if image is None:
        return "<p>(can no longer be read)</p>"
    data = io.BytesIO()
    image.save(data, format="JPEG", quality=JPEG_QUALITY)
    inline = base64.b64encode(data.getvalue()).decode("ascii")
    return f'<img alt="" src="data:image/jpeg;base64,{inline}">'


def _pairs(result: EvaluationResult) -> Iterator[str]:
    pairs = result.evaluation.pairs[:_PAIRS]
    if not pairs:
        return
    name = result.evaluation.name
    yield "<h2>Most confused pairs</h2>"
    yield from _table(
        ["class", "predicted as", "images", "of the class"],
        [[name(p.truth), name(p.predicted), f"{p.count:,}", f"{p.share:.1%}"] for p in pairs],
    )


def _classes(rows: Sequence[ClassRow]) -> Iterator[str]:
    yield "<h2>Classes</h2>"
    yield from _table(
        ["class", "images", "predicted", "precision", "recall", "F1"],
        [
            [
                *(r.name, f"{r.support:,}", f"{r.predicted:,}"),
                *map(_number, (r.precision, r.recall, r.f1)),
            ]
            for r in rows
        ],
    )


def _calibration(bars: Sequence[CalibrationBar]) -> Iterator[str]:
    filled = [bar for bar in bars if bar.count]
    if not filled:
        return
    yield "<h2>Calibration</h2>"
    yield "<p>Reliability diagram: accuracy by confidence; on the diagonal, both are equal.</p>"
    yield f'<svg width="{_CHART}" height="{_CHART}" viewBox="0 0 1 1" role="img">'
    for bar in filled:
        height = max(bar.accuracy, 0.004)
        title = (
            f"{counted(bar.count, 'image')}, confidence {bar.confidence:.1%}, "
            f"accuracy {bar.accuracy:.1%}"
        )
        yield (
            f'<rect x="{bar.low:.4f}" y="{1 - height:.4f}" height="{height:.4f}" '
            f'width="{bar.high - bar.low - 0.004:.4f}" fill="#2a7f62">'
            f"<title>{title}</title></rect>"
        )
    yield '<path d="M0 1L1 0" stroke="#888" stroke-width=".006" stroke-dasharray=".02"/></svg>'


def _unreadable(result: EvaluationResult) -> Iterator[str]:
    if result.unreadable:
        count = counted(len(result.unreadable), "unreadable image")
        yield f"<h2>Unreadable images</h2><p>{count} left out of the evaluation:</p>"
        rows = [list(pair) for pair in result.unreadable[:_UNREADABLE]]
        yield from _table(["image", "reason"], rows)


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
