"""The model that a `Shape` describes: attention, experts, routing and the loss of its head."""
