"""Explorers: pictures that a reader moves, in Jupyter and on the static page from the same file."""
