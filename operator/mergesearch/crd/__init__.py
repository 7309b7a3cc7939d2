"""The CustomResourceDefinition of MergeSearch, made from the models; pure."""
