"""What the evaluator's tests share: tiny models, tiny tasks, and a client for the resident process."""
