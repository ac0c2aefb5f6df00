"""Who is wrong: by how much, since when, and against which witnesses."""
