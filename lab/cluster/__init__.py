"""The simulated cluster: standard library only, so that the stand-in kubectl starts fast."""
