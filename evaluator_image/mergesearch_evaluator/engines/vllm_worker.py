"""What runs inside vLLM's workers, wherever those are: named by `worker_extension_cls`, the hook that vLLM has for it.

Imports nothing: vLLM mixes the class into its own worker, which brings the methods that are called here.
"""

from typing import Any


class WeightExchange:
    """A worker that takes the weights of another model of the same layout."""

    def exchange_weights(self: Any, path: str) -> None:
        """Read the weights in `path` in place of those that are there."""
        self.reload_weights(weights_path=path)
        for module in self.get_model().modules():
            # On a CPU a layer multiplies by a packed copy of its weights, made when they were loaded. A head that is
            # tied to the embeddings is not loaded by itself, so its copy would stay that of the old weights. The copy
            # replaced the weights of all other layers, which vLLM packs as it loads them.
            if hasattr(module, "cpu_linear") and module.weight.numel():
                module.quant_method.process_weights_after_loading(module)

    def shares_embeddings(self: Any) -> bool:
        """Whether input embeddings and head are one tensor."""
        tensors = [
            parameter.data_ptr()
            for name, parameter in self.get_model().named_parameters(remove_duplicate=False)
            if name.endswith((".embed_tokens.weight", "lm_head.weight"))
        ]
        return len(set(tensors)) < len(tensors)
