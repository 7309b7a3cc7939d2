"""What runs a model: one adapter module for each backend. Imports none of them."""
