"""What serves the classroom: sealed answers, the questions of the pages, the checks of the labs, each student's own constants."""
