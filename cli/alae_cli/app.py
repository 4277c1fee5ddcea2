"""The command line's entry point: the commands, and how a user's mistake ends."""

import sys
from io import TextIOWrapper

import typer

from alae_cli import ablate, conform, data, directions, doctor, evaluate, figure, generate, import_official, new, train
from alae_cli.options import flag
from alae_core import AlaeError, ArgumentError
from alae_core._support.text import one_line

app = typer.Typer(
    name="alae",
    help="Adversarial Latent Autoencoders on JAX, PyTorch or TensorFlow.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(new.new)
app.command()(train.train)
app.command()(generate.generate)
app.command()(generate.reconstruct)
app.command()(generate.encode)
app.command()(evaluate.evaluate)
app.command()(evaluate.compare)
app.command()(evaluate.measures)
app.command()(ablate.ablate)
app.add_typer(figure.figure, name="figure")
app.add_typer(directions.directions, name="directions")
app.command()(directions.edit)
app.command()(directions.invert)
app.command()(import_official.import_official)
app.add_typer(data.data, name="data")
app.add_typer(doctor.presets, name="presets")
app.command()(doctor.doctor)
app.command()(conform.conform)


def main() -> None:
    """Run the command line; a user's mistake is one line on standard error and exit code 2."""
    for stream in (sys.stdout, sys.stderr):
        # What a terminal cannot show is a question mark, and no reason to end.
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        app()
    except ArgumentError as error:
        problem = f"{flag(error.argument) or error.argument} {error.problem}"
    except AlaeError as error:
        problem = str(error)
    except OSError as error:
        # A directory that cannot be written, a full disk: theirs to mend as well.
        problem = f"{error.filename or 'input/output'}: {error.strerror or error}"
    except MemoryError as error:
        problem = f"there is not enough memory: {error or 'ask for fewer images, or smaller networks'}"
    else:
        return
    print(f"alae: {one_line(problem)}", file=sys.stderr)
    sys.exit(2)
