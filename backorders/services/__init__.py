"""Floor 3: verbs. One public function is one use case and one transaction."""
