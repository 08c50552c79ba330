"""Spiking networks that stop when they are sure, and the chips that run them.

One batch flows: data -> encoding -> neurons / crossbar -> models (torch) ->
inference (the bridge) -> exits -> cost -> figures -> widgets (numpy).
"""

__version__ = "0.1.0"
