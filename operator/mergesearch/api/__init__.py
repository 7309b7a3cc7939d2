"""The resource `mergesearch.io/v1alpha1, MergeSearch`: what a user writes and what a search remembers, as frozen
models; pure.
"""
