"""The evaluator: scores candidates with lm-eval on vLLM or on transformers."""
