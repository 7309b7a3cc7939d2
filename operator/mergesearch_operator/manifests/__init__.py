"""What the operator creates on the cluster, as pure functions of the resource and of what the core wants."""
