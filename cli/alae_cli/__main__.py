"""`python -m alae_cli`, the same as `alae`."""

from alae_cli import main

main()
