"""What every transport calls: a question about one image goes in, an answer with an outcome comes out."""
