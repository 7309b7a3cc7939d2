"""The life of a search: advance and children, one file per policy; pure."""
