"""`python -m scheduler` is `allot`."""

from scheduler.cli import main

main()
