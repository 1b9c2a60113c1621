"""The fault lab: drives the real program into faults, and judges what it made of them by what the target saw."""
