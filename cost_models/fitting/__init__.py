"""Constants of the operator classes, fitted on measured kernels: `python -m cost_models.fitting`."""
