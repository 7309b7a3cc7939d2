"""Every name that the operator gives to things on the cluster: labels, annotations, paths, limits; pure."""

PLURAL = "mergesearches"
MANAGER = "mergesearch"
"""Value of MANAGED_BY on everything that the operator creates, and the reporting component of its Events."""

MANAGED_BY = "app.kubernetes.io/managed-by"
SEARCH = "mergesearch.io/search"
"""Label: name of the search."""
SEARCH_UID = "mergesearch.io/search-uid"
"""Label: UID of the search, which tells apart two that had one name."""
LAUNCH = "mergesearch.io/launch"
"""Label: number of the launch in the search's status."""
STAGE = "mergesearch.io/stage"
"""Label: what the launch does."""
REQUEST_DIGEST = "mergesearch.io/request-digest"
"""Annotation: digest of the request that the Job was made for. A Job of ours with another one counts as ended by the
platform, and is made anew."""

COMPLETION_INDEX = "batch.kubernetes.io/job-completion-index"
"""Annotation that Kubernetes gives to the pods of an Indexed Job: the number of the slice."""

KUEUE = "kueue.x-k8s.io"
"""API group of Kueue."""
QUEUE_NAME = "kueue.x-k8s.io/queue-name"
QUEUE_PRIORITY = "kueue.x-k8s.io/priority-class"
WORKLOAD_OF = "kueue.x-k8s.io/job-uid"
"""Label that Kueue gives to a Workload: the UID of its Job."""

CONTAINER = "main"
"""The container of every pod that meets its request."""
SANDBOX_CONTAINER = "sandbox"
"""The one beside it where code that a model wrote is run, if the search allows that."""
MERGER_COMMAND = ("mergesearch-merger",)
EVALUATOR_COMMAND = ("mergesearch-evaluator",)
SANDBOX_COMMAND = ("python", "-m", "mergesearch_evaluator.sandbox.server")
"""In the evaluator's image."""
TERMINATION_LOG = "/dev/termination-log"
SCRATCH = "/tmp"  # noqa: S108 - the one writable folder of a pod, an emptyDir of its own
"""Where a pod may write besides the workspace: home, caches, temporary files."""
SHARED_MEMORY = "/dev/shm"  # noqa: S108 - what vLLM's processes talk through
USER = 65532
"""User and group of the images."""

TERMINATING_SECONDS = 120.0
"""A pod that is still terminating this long after its grace period lies on a node that does not answer."""
LOG_BYTES = 8 << 20
"""So much of a pod's log is read. Reports that stand further down are read from the workspace, by a Job that prints
nothing else.
"""
