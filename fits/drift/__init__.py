"""Does the optimum move with compute and size?"""
