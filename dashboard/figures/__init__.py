"""Figures: pure functions of (designs, view) to a Plotly figure as a plain dictionary.

Plain dictionaries, since building and validating `plotly.graph_objects` takes longer than drawing some of them.
"""
