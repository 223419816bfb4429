"""What others do on the same work, rewritten from their papers and protocols."""
