"""The lab of real parts: the same stacks against an API server, hosts and tools that nobody here wrote."""
