"""Many runs: which jobs to submit, submitting them, and following them."""
