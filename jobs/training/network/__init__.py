"""The model that a `Shape` describes: attention, experts, routing, and the cross entropy of its head."""
