"""Jobs: one training run, and the sweep of many. torch is imported by the training modules only, and late."""
