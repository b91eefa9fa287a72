"""What a model is and costs: its shape, parameters, FLOPs, memory, and the devices it runs on."""
