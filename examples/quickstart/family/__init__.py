"""The quickstart's family: one small Llama base and eight fine-tunes of it, trained on toy tasks."""
