"""Measurements that docs quote: python -m benchmarks NAME."""
