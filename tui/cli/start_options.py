"""The options of `convnext-tui` without a subcommand."""

from dataclasses import dataclass
from pathlib import Path

from tui.cli.open_app import AppOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class StartOptions:
    """The options of `convnext-tui`, as click has parsed them."""

    preset: str | None
    data: str | None
    demo: bool
    overrides: tuple[str, ...]
    name: str | None
    runs_dir: str
    device: str | None
    seed: int | None
    seeds: int | None
    folds: int | None
    vary_split: bool
    sweep: tuple[str, ...]
    trials: int | None
    sampler: str | None
    pruner: str | None
    objective: str | None
    resume: str | None
    accept_data_changes: bool
    gpus: str | None
    detach: bool
    no_ui: bool
    log_format: str
    bandwidth: str
    read_only: bool
    theme: str | None
    low_bandwidth: bool

    @property
    def app(self) -> AppOptions:
        """The options of the app."""
        bandwidth = "low" if self.low_bandwidth else self.bandwidth
        return AppOptions(Path(self.runs_dir), bandwidth, self.theme, self.read_only)

    def given(self, names: tuple[str, ...]) -> list[str]:
        """Return those of the named options that were given."""
        # Not by `in`: 0 equals False, but is given.
        return [name for name in names if not _is_missing(getattr(self, name))]


def _is_missing(value: object) -> bool:
    return value is None or value is False or value == ()
