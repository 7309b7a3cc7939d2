"""A real Kubernetes for the tests, started by the tests: its control plane alone, or one whole node.

docs/testing-cluster.md tells how to use it.
Nothing of the project is imported here, and nothing here is imported by the project.
"""
