"""nbgrader's settings for these labs: what a student finds in place of a solution, and what a cell may take."""

c = get_config()  # noqa: F821 - nbgrader hands it over

c.ClearSolutions.code_stub = {
    "python": "raise NotImplementedError('this exercise is still to be written: replace this line with your code')"
}
c.ClearSolutions.text_stub = "*Your answer here.*"
c.ExecutePreprocessor.timeout = 60
c.ExecutePreprocessor.iopub_timeout = 10
c.ExecutePreprocessor.raise_on_iopub_timeout = False    # a flood of prints costs its own cell, not the whole notebook
c.LimitOutput.max_lines = 200
