"""What proves the book: how each asset is made, the rows of the papers, the fits and the facts."""
