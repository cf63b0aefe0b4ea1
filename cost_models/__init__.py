"""What does a design cost? Read or build a `Design`, then `evaluate` it.

design = cost_models.read_design("design.yaml")
evaluation = cost_models.evaluate(design)
evaluation["latency.tpot_s"], evaluation.feasible, evaluation.document()
"""

from cost_models.catalogue import Catalogue, load_catalogue
from cost_models.design import (
    Attention,
    Design,
    Engram,
    Host,
    Limits,
    MixtureOfExperts,
    Model,
    Serving,
    System,
    TablePlacement,
)
from cost_models.designfile import DesignFile, read_design, read_design_file
from cost_models.designwriter import write_design
from cost_models.errors import CodesignError, InputError
from cost_models.evaluation import Evaluation, evaluate
from cost_models.hf_config import presets, read_model
from cost_models.objectives import OBJECTIVES, Objective

__all__ = [
    "OBJECTIVES",
    "Attention",
    "Catalogue",
    "CodesignError",
    "Design",
    "DesignFile",
    "Engram",
    "Evaluation",
    "Host",
    "InputError",
    "Limits",
    "MixtureOfExperts",
    "Model",
    "Objective",
    "Serving",
    "System",
    "TablePlacement",
    "evaluate",
    "load_catalogue",
    "presets",
    "read_design",
    "read_design_file",
    "read_model",
    "write_design",
]
