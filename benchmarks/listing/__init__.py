"""What the benchmark of list scheduling needs beside itself."""
