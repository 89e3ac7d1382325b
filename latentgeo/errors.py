"""The one exception that user input may meet."""


class InputError(ValueError):
    """Something that the user gave cannot be used.

    The message is one line that names the thing, its value, what was expected and the way out.
    The command line prints it and exits with code 2; no traceback is shown.
    """
