"""The Kubernetes shell: observes Jobs and pods, lets the core decide, writes the status, makes the Jobs match."""
