"""The core of MergeSearch: pure functions over frozen values; knows no cluster, process or framework."""
