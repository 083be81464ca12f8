"""Compare the preset `animals20` with the notebook's recipe, written as a plain loop."""

from pathlib import Path

import pytest
import torch
from torch import nn

from core.config.load import load_config
from core.data.assign import SplitOptions
from core.data.loading.loader import make_datasets, make_loaders
from core.data.loading.order import epoch_order
from core.data.split import plan_data
from core.events.types import EpochEnded
from core.model.build import build_model, model_data_config
from tests.core.engine_kit import train
from tests.make_images import make_images

TINY = ("model.name=test_convnext", "model.pretrained=false", "data.image_size=32")


def notebook(config, plan):
    """Return the losses of every epoch as (phase, train, val), with the notebook's values."""
    torch.manual_seed(0)
    model, _ = build_model(config.model, len(plan.classes), config.seed)
    data_config = model_data_config(model)
    datasets = make_datasets(config, plan, data_config)
    train, val = make_loaders(datasets, config.data.step_images, 0, torch.device("cpu"))
    mean, std = (torch.tensor(data_config[name])[:, None, None] for name in ("mean", "std"))

    def normalize(images):
        return (images / 255 - mean) / std

    criterion = nn.CrossEntropyLoss()
    losses = []
    recipe = [
        ("head", 30, lambda p: torch.optim.Adam(p, lr=1e-3), 3, 7),
        ("full", 10, lambda p: torch.optim.AdamW(p, lr=1e-4, weight_decay=1e-4), 2, 5),
    ]
    for phase, epochs, make_optimizer, plateau, patience in recipe:
        for name, parameter in model.named_parameters():
            parameter.requires_grad = phase == "full" or name.startswith("head.fc")
        optimizer = make_optimizer([p for p in model.parameters() if p.requires_grad])
        scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(
            optimizer, mode="min", factor=0.5, patience=plateau
        )
        best_loss, bad, best_key, best_weights = float("inf"), 0, (-1.0, 0.0), None
        for epoch in range(1, epochs + 1):
            model.train()
            total, seen = 0.0, 0
            order = epoch_order(len(plan.train), config.seed, phase, epoch)
            for batch in train.epoch(phase, epoch, order):
                optimizer.zero_grad()
                loss = criterion(model(normalize(batch.images)), batch.labels)
                loss.backward()
                nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
                total, seen = total + loss.item() * len(batch.labels), seen + len(batch.labels)
            model.eval()
            val_total, hits, val_seen = 0.0, 0, 0
            with torch.no_grad():
                for batch in val.epoch(phase, epoch):
                    logits = model(normalize(batch.images))
                    val_total += criterion(logits, batch.labels).item() * len(batch.labels)
                    hits += int((logits.argmax(1) == batch.labels).sum())
                    val_seen += len(batch.labels)
            val_loss = val_total / val_seen
            losses.append((phase, total / seen, val_loss))
            scheduler.step(val_loss)
            if (hits, -val_loss) > best_key:
                best_key = (hits, -val_loss)
                best_weights = {k: v.clone() for k, v in model.state_dict().items()}
            improved = val_loss < best_loss - 0.001
            best_loss, bad = (val_loss, 0) if improved else (best_loss, bad + 1)
            if bad >= patience:
                break
        model.load_state_dict(best_weights)
    return losses


def test_animals20_is_the_notebooks_recipe(tmp_path: Path) -> None:
    root = make_images(tmp_path / "photos", classes=4, per_class=10)
    config = load_config("animals20", [*TINY, f"data.root={root}", "data.workers=0"])
    plan = plan_data(root, SplitOptions(0.1, 1029))
    assert plan is not None
    expected = notebook(config, plan)
    ended = [e for e in train(config, tmp_path / "runs").events if isinstance(e, EpochEnded)]
    assert [e.phase for e in ended] == [phase for phase, _, _ in expected]
    assert [e.train_loss for e in ended] == pytest.approx([t for _, t, _ in expected], abs=1e-5)
    assert [e.val_loss for e in ended] == pytest.approx([v for _, _, v in expected], abs=1e-5)


def test_the_preset_states_the_values_of_the_notebook() -> None:
    config = load_config("animals20")
    assert config.model.name == "convnext_base.fb_in22k_ft_in1k_384"
    assert (config.seed, config.clip_grad_norm, config.data.val_fraction) == (1029, 1.0, 0.1)
    assert (config.data.image_size, config.data.batch_size) == (224, 32)
