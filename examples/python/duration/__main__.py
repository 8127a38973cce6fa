"""Prints the seconds of the durations it is given."""

import sys

from duration import seconds


def main() -> None:
    for text in sys.argv[1:]:
        try:
            print(f"{text}: {seconds(text)}")
        except ValueError as error:
            sys.exit(str(error))


if __name__ == "__main__":
    main()
