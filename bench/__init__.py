"""The figures of the README, each beside the peer it is compared to. Standard library only."""
