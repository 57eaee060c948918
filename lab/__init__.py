"""The rehearsal: a built-in engine and a simulated world. Nothing that a user deploys imports it."""
