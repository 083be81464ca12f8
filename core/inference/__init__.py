"""Using a run's network: predict, evaluate, export, explain. The door to it is `core.model_use`."""
