"""`python -m tests.conformance.mutants`: every mutant's kill as a Markdown table."""

from tests.conformance.mutants import MUTANTS, comparisons, of_control, worst


def main() -> None:
    """Print every mutant's kill as a Markdown table."""
    print(
        "| mutant | fault | killed by | lane | error / limit, mutant | control |\n| --- | --- | --- | --- | --- | --- |"
    )
    for mutant in MUTANTS:
        found = worst(comparisons(mutant.case, mutant.lane, mutant.make()), mutant.check).ratio
        control = worst(of_control(mutant.case, mutant.lane), mutant.check).ratio
        print(
            f"| {mutant.name} | {mutant.fault} | {mutant.case}, {mutant.check} | {mutant.lane} "
            f"| {found:.3g} | {control:.2g} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
