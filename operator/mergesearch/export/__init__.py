"""What leaves a search: a recipe for mergekit, a model card, the weights, all candidates; pure."""
