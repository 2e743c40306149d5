"""Count the words of a file."""

import sys


def count_words(text):
    return len(text.split())


def main():
    with open(sys.argv[1], encoding="utf-8") as stream:
        print(count_words(stream.read()))


if __name__ == "__main__":
    main()
