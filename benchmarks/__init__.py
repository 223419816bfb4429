"""What Allot claims, measured: `python -m benchmarks NAME [--data DIR] [--quick] [--json]`."""
