"""Programs that run as text under `python3 -`: standard library only."""
