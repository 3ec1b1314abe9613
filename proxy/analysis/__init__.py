"""Statistics of a rollout: bounds that hold at every look, histograms, conditions and verdicts. Pure."""
