"""The simulated clouds: what stands in for the providers of clusters and pools of nodes.

`PACKAGES` names a module for each package; it has a table `KINDS` (type token -> `kind.Kind`) and a table `CALLS`
(function token -> what it answers). Both clouds share ids, refusals and the way in which nodes join the cluster.
"""
