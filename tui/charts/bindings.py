"""The keys of all charts that have a window and a cursor."""

from textual.binding import Binding

WINDOW_KEYS = [
    Binding("shift+left", "cursor(-10)", "far left", show=False, tooltip="Ten columns left"),
    Binding("shift+right", "cursor(10)", "far right", show=False, tooltip="Ten columns right"),
    Binding("plus,equals_sign", "zoom(0.5)", "closer", key_display="+", show=False,
            tooltip="See half as much of the curves"),
    Binding("minus", "zoom(2)", "step back", key_display="-", show=False,
            tooltip="See twice as much of the curves"),
    Binding("less_than_sign,comma", "pan(-0.25)", "earlier", key_display="<", show=False,
            tooltip="Move what is seen to the left"),
    Binding("greater_than_sign,full_stop", "pan(0.25)", "later", key_display=">", show=False,
            tooltip="Move what is seen to the right"),
    Binding("0", "whole", "all of it", show=False, tooltip="See everything, without a cursor"),
]  # fmt: skip
