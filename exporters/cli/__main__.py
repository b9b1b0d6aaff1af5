"""`python -m exporters.cli`: the same as the command `concord`."""

from exporters.cli.main import app

app(prog_name="concord")
