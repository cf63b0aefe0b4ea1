"""Sourced figures of hardware, prices, energy and carbon (YAML), and the door that makes numbers of them."""

from cost_models.catalogue.figures import Figure
from cost_models.catalogue.resolve import Catalogue, load_catalogue

__all__ = ["Catalogue", "Figure", "load_catalogue"]
