"""Parametrisations, the optimiser and its replay, selection: pure."""
