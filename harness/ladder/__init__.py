"""The ladder: rungs of rising cost, a gate after each, and profiles that say which and how."""
