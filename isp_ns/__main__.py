"""`python -m isp_ns` is the command line."""

from isp_ns.cli.main import main

main()
