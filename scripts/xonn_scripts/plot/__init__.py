"""Plots of what was trained and measured, as SVG by one writer (``svg``)."""
