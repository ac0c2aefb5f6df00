"""What each directive has to say on a host of a profile: pure, the configuration in, findings out."""
