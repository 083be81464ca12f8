"""One peer in its own process: `python -m tests.benchmarks.peers.contender MODULE RECIPE`.

Its last line is the outcome as JSON.
"""

import importlib
import json
import sys
from dataclasses import asdict

from tests.benchmarks.peers.recipe import Recipe

if __name__ == "__main__":
    module, recipe = sys.argv[1:]
    train = importlib.import_module(f"tests.benchmarks.peers.{module}").train
    print(json.dumps(asdict(train(Recipe.from_json(recipe)))))
