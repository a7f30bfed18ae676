"""What a program runs on: devices, precision, processes, memory, random state, signals."""
