"""Clock jobs: when they run, the table of them and of their runs, and what withholds those that move money."""
