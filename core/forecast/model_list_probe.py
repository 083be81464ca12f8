"""`python -m core.forecast.model_list_probe` prints timm's pretrained ConvNeXt models as JSON."""

import json
from dataclasses import asdict

import timm
from timm.models import get_pretrained_cfg

from core.forecast.model_list import ListedModel
from core.forecast.model_probe import on_meta
from core.model.build import count_parameters

_FAMILY = "convnext*"
"""Also ConvNeXt V2; not timm's `test_convnext`, which exist for tests."""


def list_models() -> list[ListedModel]:
    """Return timm's ConvNeXt models with pretrained weights, by number of parameters."""
    parameters: dict[str, int] = {}
    models = []
    for name in timm.list_models(_FAMILY, pretrained=True):
        architecture = name.partition(".")[0]
        if architecture not in parameters:  # weights differ within one, sizes do not
            parameters[architecture] = count_parameters(on_meta(architecture).parameters())
        source = get_pretrained_cfg(name)
        hub_id, url = (source.hf_hub_id, source.url) if source else ("", "")
        models.append(ListedModel(name, parameters[architecture], hub_id or "", url or ""))
    return sorted(models, key=lambda model: (model.parameters, model.name))


if __name__ == "__main__":
    print(json.dumps([asdict(model) for model in list_models()]))
